use std::collections::BTreeMap;

use domain::{Credits, UserId};
use serde::{Deserialize, Serialize};

use crate::Line;

/// Counts sagas whose name holds something else at a participant (label `at`), as after order's store lost writes.
pub const SAGA_MISMATCHES: &str = "holdfast_saga_mismatch_total";

/// What a saga is about, in short: who pays, how many pieces of which items, and how much for them together.
///
/// A saga's name is `<order_id>.<attempt>`. If order's store loses writes that it has answered, the same name comes
/// twice, and it may be for something else. So every request tells the fingerprint, a hold keeps it, and what is held
/// under the name for something else is neither taken for granted nor given back. For the same thing the repeat heals
/// the loss: it finds what is held already.
///
/// An accident goes unseen once in 2^32 times; nobody is kept from forging it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// The fingerprint of these contents. Several lines of one item count as their sum, in any order.
    #[must_use]
    pub fn of(user_id: &UserId, lines: &[Line], total: Credits) -> Self {
        let mut pieces: BTreeMap<&str, i64> = BTreeMap::new();
        for line in lines {
            let sum = pieces.entry(line.item_id.as_str()).or_default();
            *sum = sum.wrapping_add(line.quantity.get());
        }
        let mut hash = Fnv::default();
        hash.add(user_id.as_str(), total.get());
        for (item_id, quantity) in pieces {
            hash.add(item_id, quantity);
        }
        Self(hash.0)
    }
}

/// FNV-1a with 32 bits, which stays the same in every build, as the standard library's hashes need not.
///
/// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    /// Adds a name and a number. No id holds the byte that ends one.
    fn add(&mut self, name: &str, number: i64) {
        for byte in name.bytes().chain([0]).chain(number.to_le_bytes()) {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ItemId, Quantity};

    use super::*;

    #[test]
    fn a_fingerprint_tells_what_a_saga_is_about_and_not_how_its_lines_are_written() {
        let line = |item: u32, quantity: u32| Line {
            item_id: ItemId::numbered(item),
            quantity: Quantity::from(quantity),
        };
        let of = |user: u32, lines: &[Line], total: u32| {
            Fingerprint::of(&UserId::numbered(user), lines, Credits::from(total))
        };
        let first = of(1, &[line(1, 2), line(2, 3)], 9);
        assert_eq!(first, of(1, &[line(2, 3), line(1, 1), line(1, 1)], 9));
        let others = [
            of(2, &[line(1, 2), line(2, 3)], 9),
            of(1, &[line(1, 3), line(2, 2)], 9),
            of(1, &[line(1, 2), line(3, 3)], 9),
            of(1, &[line(1, 2)], 9),
            of(1, &[line(1, 2), line(2, 3)], 8),
        ];
        assert!(others.iter().all(|other| *other != first), "{others:?}");
        // It is kept in records, so no build may change it.
        assert_eq!(
            serde_json::to_string(&of(1, &[line(1, 2)], 9)).ok().as_deref(),
            Some("1056814")
        );
    }
}
