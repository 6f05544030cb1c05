//! What identity may refuse, and how its answers say so. Statuses stand here and nowhere else in identity.

use domain::{KeyId, UserId};
use principals::Scope;
use saga::UNKNOWN_USER;
use web::{
    FORBIDDEN, MALFORMED, NOT_JSON, OUTCOME_UNKNOWN, Problem, ProblemKind, STORE_FULL, UNAUTHENTICATED, catalogue,
    lacking,
};

use crate::{email::BadEmail, passwords::BadPassword};

/// Why identity refuses. Nothing has changed then, except that an old refresh token has ended its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The text is no address.
    BadEmail(BadEmail),
    /// The password may not be chosen.
    BadPassword(BadPassword),
    /// A name is too long, or a cursor is none.
    Malformed(&'static str),
    /// There is no such user, or the password is another one: nobody is told which.
    WrongCredentials,
    /// The user has not shown that mails to the address arrive.
    NotVerified,
    /// What a mail held is wrong, was used, or is over.
    BadToken,
    /// The refresh token is wrong, was used, or its session was ended.
    BadRefreshToken,
    /// The caller is no user.
    NotAUser,
    /// Whoever gives a scope has to have it.
    ScopeNotHeld(Scope),
    /// There is no such user.
    UnknownUser(UserId),
    /// There is no such API key.
    UnknownKey(KeyId),
}

const PASSWORD_REFUSED: ProblemKind = ProblemKind::new("password-refused", 422, "The password may not be chosen.");
const WRONG_CREDENTIALS: ProblemKind =
    ProblemKind::new("wrong-credentials", 401, "The address or the password is wrong.");
const NOT_VERIFIED: ProblemKind = ProblemKind::new("not-verified", 403, "The address is not verified yet.");
const TOKEN_REFUSED: ProblemKind = ProblemKind::new(
    "token-refused",
    400,
    "The token of the mail is wrong, was used, or is over.",
);
const REFRESH_REFUSED: ProblemKind = ProblemKind::new(
    "refresh-refused",
    401,
    "The refresh token is wrong or old, or its session was ended.",
);
const NOT_A_USER: ProblemKind = ProblemKind::new("not-a-user", 403, "Only a user can do this, and no API key.");
const UNKNOWN_KEY: ProblemKind = ProblemKind::new("unknown-key", 404, "There is no such API key.");

impl From<BadEmail> for Refusal {
    fn from(bad: BadEmail) -> Self {
        Self::BadEmail(bad)
    }
}

impl From<BadPassword> for Refusal {
    fn from(bad: BadPassword) -> Self {
        Self::BadPassword(bad)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadEmail(bad) => Self::new(&MALFORMED, format!("the body's email: {bad}")),
            Refusal::BadPassword(bad) => Self::new(&PASSWORD_REFUSED, bad.to_string()),
            Refusal::Malformed(why) => Self::new(&MALFORMED, why),
            Refusal::WrongCredentials => Self::new(&WRONG_CREDENTIALS, "nobody logs in by this address and password"),
            Refusal::NotVerified => Self::new(&NOT_VERIFIED, "a mail was sent to the address; do what it says first"),
            Refusal::BadToken => Self::new(&TOKEN_REFUSED, "ask for another mail"),
            Refusal::BadRefreshToken => Self::new(&REFRESH_REFUSED, "log in again"),
            Refusal::NotAUser => Self::new(&NOT_A_USER, "log in as a user"),
            Refusal::ScopeNotHeld(scope) => lacking(scope),
            Refusal::UnknownUser(user_id) => Self::new(&UNKNOWN_USER, format!("there is no user {user_id}")),
            Refusal::UnknownKey(key_id) => Self::new(&UNKNOWN_KEY, format!("there is no API key {key_id}")),
        }
    }
}

catalogue! {
    /// What registering may refuse.
    RegisterProblems: MALFORMED, NOT_JSON, PASSWORD_REFUSED, STORE_FULL, OUTCOME_UNKNOWN;
    /// What verifying an address may refuse.
    VerifyProblems: MALFORMED, NOT_JSON, TOKEN_REFUSED, OUTCOME_UNKNOWN;
    /// What logging in may refuse.
    LogInProblems: MALFORMED, NOT_JSON, WRONG_CREDENTIALS, NOT_VERIFIED, STORE_FULL, OUTCOME_UNKNOWN;
    /// What refreshing may refuse.
    RefreshProblems: MALFORMED, NOT_JSON, REFRESH_REFUSED, OUTCOME_UNKNOWN;
    /// What logging out may refuse.
    LogOutProblems: MALFORMED, NOT_JSON, OUTCOME_UNKNOWN;
    /// What logging out everywhere may refuse.
    LogOutEverywhereProblems: UNAUTHENTICATED, NOT_A_USER, OUTCOME_UNKNOWN;
    /// What changing the password may refuse.
    ChangePasswordProblems: MALFORMED, NOT_JSON, UNAUTHENTICATED, NOT_A_USER, WRONG_CREDENTIALS, PASSWORD_REFUSED, OUTCOME_UNKNOWN;
    /// What asking for a reset may refuse.
    RequestResetProblems: MALFORMED, NOT_JSON, OUTCOME_UNKNOWN;
    /// What resetting the password may refuse.
    ResetPasswordProblems: MALFORMED, NOT_JSON, PASSWORD_REFUSED, TOKEN_REFUSED, OUTCOME_UNKNOWN;
    /// What asking who one is may refuse.
    MeProblems: UNAUTHENTICATED, NOT_A_USER, UNKNOWN_USER;
    /// What looking a user up may refuse.
    GetUserProblems: MALFORMED, UNAUTHENTICATED, FORBIDDEN, UNKNOWN_USER;
    /// What listing may refuse.
    ListProblems: MALFORMED, UNAUTHENTICATED, FORBIDDEN;
    /// What changing roles may refuse.
    SetRolesProblems: MALFORMED, NOT_JSON, UNAUTHENTICATED, FORBIDDEN, UNKNOWN_USER, OUTCOME_UNKNOWN;
    /// What creating an API key may refuse.
    CreateKeyProblems: MALFORMED, NOT_JSON, UNAUTHENTICATED, FORBIDDEN, STORE_FULL, OUTCOME_UNKNOWN;
    /// What looking an API key up may refuse.
    GetKeyProblems: MALFORMED, UNAUTHENTICATED, FORBIDDEN, UNKNOWN_KEY;
    /// What revoking an API key may refuse.
    RevokeKeyProblems: MALFORMED, UNAUTHENTICATED, FORBIDDEN, UNKNOWN_KEY, OUTCOME_UNKNOWN;
    /// What asking for the signing keys may refuse.
    JwksProblems:;
}
