//! The times that the system under test is set to, and what follows from them.
//!
//! They are short, so that much happens within a schedule.

use std::time::Duration;

use super::history::Call;

const SAGA_LEASE: Duration = Duration::from_secs(1);
/// How old a saga may become before it is given up.
pub(crate) const SAGA_DEADLINE: Duration = Duration::from_secs(6);
const RECOVERY_INTERVAL: Duration = Duration::from_millis(100);
const CALL_TIMEOUT: Duration = Duration::from_millis(600);
const CLIENT_PATIENCE: Duration = Duration::from_secs(3);
const REDIS_TIMEOUT: Duration = Duration::from_millis(400);
const COMMAND_DEADLINE: Duration = Duration::from_millis(1_200);

/// Everything is on one busy machine, in a development build.
const MARGIN: Duration = Duration::from_secs(1);
/// A call is known to be late before its client gives up.
pub(crate) const LONGER_THAN_ANY_CALL: Duration = Duration::from_secs(8);
/// How soon a process ends that is asked to, whatever else is broken.
pub(crate) const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// How soon a process is ready when nothing is broken any more: its reader has noticed that its connection is dead, and
/// connects again after a second of backoff at most.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(5);

/// How long a saga may stay unfinished past its deadline while nothing is broken.
///
/// A process that was killed last starts (5 s on a busy machine); its reader and its participants are asked again (1 s of
/// backoff each); the last driver's lease runs out, and recovery takes the saga over (1.1 s); it cancels, asks both
/// participants four times (2.6 s), and finishes, each command within two deadlines (2.4 s). One such attempt takes 8 s, and
/// a second one is for a driver that has met the end of the last fault: 5 + 2 + 2 * 8 s, and no more than the minute
/// that is promised. While something is broken the time stands still: faults follow one another so closely that a
/// saga may meet one at each of its steps.
pub(crate) const RECOVERED_WITHIN: Duration = Duration::from_secs(23);

/// As environment variables.
pub(crate) fn settings() -> Vec<(&'static str, String)> {
    let setting = |(name, time): (&'static str, Duration)| (name, time.as_millis().to_string());
    [
        ("SAGA_LEASE_MS", SAGA_LEASE),
        ("SAGA_DEADLINE_MS", SAGA_DEADLINE),
        ("RECOVERY_INTERVAL_MS", RECOVERY_INTERVAL),
        ("CALL_TIMEOUT_MS", CALL_TIMEOUT),
        ("CLIENT_PATIENCE_MS", CLIENT_PATIENCE),
        ("REDIS_TIMEOUT_MS", REDIS_TIMEOUT),
        ("COMMAND_DEADLINE_MS", COMMAND_DEADLINE),
    ]
    .map(setting)
    .to_vec()
}

/// Within which time a call is answered, whatever is broken behind the replica that it has reached.
pub(crate) fn answered_within(call: &Call) -> Duration {
    // A command is decided or given up within one deadline, and a lost answer is resolved within a second one.
    let command = 2 * COMMAND_DEADLINE;
    // The reader notices that its connection is dead within one timeout, and asks on another one.
    let read = 2 * REDIS_TIMEOUT;
    MARGIN
        + match call {
            // The saga is waited for as long as the patience says, its beginning included, which is a command that
            // is not given up half-way; adding asks stock for the price in the same way.
            Call::Checkout(_) | Call::AddItem(_) => CLIENT_PATIENCE + command,
            Call::CreateOrder | Call::AddStock(..) | Call::AddFunds(..) => command,
            Call::FindOrder(_) | Call::FindItem(_) | Call::FindUser(_) => read,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_waits_longer_than_any_call_may_take() {
        let longest = [
            Call::CreateOrder,
            Call::Checkout("o".into()),
            Call::FindUser("u".into()),
        ];
        assert!(longest.iter().all(|call| answered_within(call) < LONGER_THAN_ANY_CALL));
    }

    #[test]
    fn a_saga_is_never_older_than_its_deadline_and_a_minute_after_the_usual_schedule() {
        assert!(Duration::from_secs(20) + RECOVERED_WITHIN < Duration::from_secs(60));
    }
}
