//! The answer of the `batch_init` operations.

use engine::bulk::Undone;
use poem_openapi::{Object, types::Example};

use crate::{PARTLY_BROKEN, PARTLY_DONE, Problem, ProblemKind};

/// What a `batch_init` answers.
#[derive(Debug, Object)]
#[oai(example)]
pub struct BatchInit {
    /// What was made, in words.
    msg: String,
}

impl BatchInit {
    fn new(count: u32, kind: &str) -> Self {
        Self {
            msg: format!("{count} {kind} are ready"),
        }
    }

    /// The answer: that all `things` are ready, or which of them are not. `refusal` says why records may stay as they were.
    ///
    /// # Errors
    /// Something is left undone.
    pub fn from_undone(undone: Undone, things: &str, refusal: (&'static ProblemKind, &str)) -> Result<Self, Problem> {
        let Undone {
            asked,
            refused,
            missing,
            cause,
        } = undone;
        let (kind, why) = refusal;
        let stay = format!("{things} {refused} {why}, and stay as they were");
        match cause {
            None if refused.count() == 0 => Ok(Self::new(asked, things)),
            None => Err(Problem::new(kind, format!("{stay}; the others are ready"))),
            Some(cause) if missing.count() == asked as usize => Err(cause.into()),
            Some(cause) => {
                let kind = if cause.is_fault() { &PARTLY_BROKEN } else { &PARTLY_DONE };
                let stay = if refused.count() == 0 {
                    String::new()
                } else {
                    format!("; {stay}")
                };
                let detail = format!("{things} {missing} are missing: {cause}{stay}; the others are ready");
                Err(Problem::new(kind, detail))
            }
        }
    }
}

impl Example for BatchInit {
    fn example() -> Self {
        Self::new(1_000, "records")
    }
}
