//! Doing a step again until it is answered: a call to a participant, or a change of the order's record.
//!
//! Both are safe to repeat, and both may fail for reasons that pass: a queue that is full for a moment, a server that
//! starts again. A driver has its lease for that. To give up sooner would leave the saga to recovery, which can do
//! nothing but wait for the lease and try the same again.

use std::{fmt, time::Duration};

use domain::Backoff;
use tokio::time::Instant;

const BACKOFF: Backoff = Backoff {
    min: Duration::from_millis(20),
    max: Duration::from_millis(500),
};

/// An answer, and whether it took several tries.
pub(crate) struct Answered<A> {
    pub(crate) answer: A,
    /// Whether the first call was answered. Otherwise an earlier one may still be on its way.
    pub(crate) first_try: bool,
}

/// Makes a call, and makes it again if it fails for a reason that `passes`, with pauses, and not after `deadline`.
pub(crate) async fn with_retries<A, E, F>(
    deadline: Instant,
    call: impl Fn() -> F,
    passes: impl Fn(&E) -> bool,
) -> Result<Answered<A>, E>
where
    E: fmt::Display,
    F: Future<Output = Result<A, E>>,
{
    let mut tries = 0;
    loop {
        let error = match call().await {
            Ok(answer) => {
                return Ok(Answered {
                    answer,
                    first_try: tries == 0,
                });
            }
            Err(error) => error,
        };
        let pause = BACKOFF.wait(tries);
        if !passes(&error) || Instant::now() + pause >= deadline {
            return Err(error);
        }
        if tries == 0 {
            tracing::warn!(%error, "a step was not answered; asking again");
        }
        tries += 1;
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Asks for so many milliseconds what fails so many times first, and tells how often it was called.
    async fn asked(failures: u32, millis: u64, passes: bool) -> (Result<Answered<()>, &'static str>, u32) {
        let calls = Cell::new(0);
        let deadline = Instant::now() + Duration::from_millis(millis);
        let call = || {
            calls.set(calls.get() + 1);
            let full = calls.get() <= failures;
            async move { if full { Err("the queue is full") } else { Ok(()) } }
        };
        (with_retries(deadline, call, |_| passes).await, calls.get())
    }

    #[tokio::test]
    async fn a_step_that_is_refused_for_now_is_repeated_until_the_lease_is_over() {
        let (answered, calls) = asked(8, 10_000, true).await;
        assert!(answered.is_ok_and(|answered| !answered.first_try));
        assert_eq!(calls, 9);
        let started = Instant::now();
        let (given_up, calls) = asked(u32::MAX, 100, true).await;
        assert!(given_up.is_err() && started.elapsed() < Duration::from_millis(500));
        assert!(calls > 1, "{calls}");
    }

    #[tokio::test]
    async fn a_step_that_fails_for_good_is_not_repeated() {
        let (given_up, calls) = asked(u32::MAX, 10_000, false).await;
        assert!(given_up.is_err());
        assert_eq!(calls, 1);
        let (answered, _) = asked(0, 0, true).await;
        assert!(
            answered.is_ok_and(|answered| answered.first_try),
            "the first call is always made"
        );
    }
}
