//! Refusals that a participant gives for itself and order gives for a checkout, in the same words.

use web::ProblemKind;

/// An item that does not exist, in the words of every service that says so.
pub const UNKNOWN_ITEM: ProblemKind = ProblemKind::new("unknown-item", 404, "There is no such item.");
/// Too few pieces, likewise.
pub const OUT_OF_STOCK: ProblemKind = ProblemKind::new("out-of-stock", 409, "There are not enough pieces.");
/// A user that does not exist, likewise.
pub const UNKNOWN_USER: ProblemKind = ProblemKind::new("unknown-user", 404, "There is no such user.");
/// Too little credit, likewise.
pub const INSUFFICIENT_CREDIT: ProblemKind =
    ProblemKind::new("insufficient-credit", 402, "The user has too little credit.");
