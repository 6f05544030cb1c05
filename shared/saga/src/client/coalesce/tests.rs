use std::{
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;

use super::*;

const LIMITS: CoalesceLimits = CoalesceLimits {
    queue: 10,
    calls: 4,
    size: usize::MAX,
};

impl Weight for u32 {
    fn weight(&self) -> usize {
        1
    }
}

type Carried<'a> = Pin<Box<dyn Future<Output = Result<(), CallError>> + Send + 'a>>;

/// A target that does what the test says, and is there.
struct Fake<F>(F);

impl<F> Link<u32, u32> for Fake<F>
where
    F: for<'a> Fn(Vec<u32>, &'a mut Replies<u32>) -> Carried<'a> + Send + Sync + 'static,
{
    async fn ask(&self) -> Result<(), CallError> {
        Ok(())
    }

    fn carry(&self, calls: Vec<u32>, replies: &mut Replies<u32>) -> impl Future<Output = Result<(), CallError>> + Send {
        (self.0)(calls, replies)
    }
}

type Targets = Arc<[u32]>;
type Carry = Box<dyn for<'a> Fn(Vec<u32>, &'a mut Replies<u32>) -> Carried<'a> + Send + Sync>;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn failed() -> CallError {
    CallError::Failed("gone".into())
}

fn targets(targets: &[u32]) -> (watch::Sender<Targets>, watch::Receiver<Targets>) {
    watch::channel(targets.into())
}

fn echo(calls: &[u32], replies: &mut Replies<u32>) -> Result<(), CallError> {
    calls
        .iter()
        .enumerate()
        .try_for_each(|(index, call)| replies.answer(index, *call))
}

fn start<F>(numbers: &[u32], carry: F) -> Coalescer<u32, u32>
where
    F: for<'a> Fn(u32, Vec<u32>, &'a mut Replies<u32>) -> Carried<'a> + Clone + Send + Sync + 'static,
{
    let (_, targets) = targets(numbers);
    Coalescer::start(LIMITS, targets, move |target| {
        let (target, carry) = (*target, carry.clone());
        let carry: Carry = Box::new(move |calls, replies| carry(target, calls, replies));
        Fake(carry)
    })
}

#[tokio::test]
async fn calls_that_wait_share_a_request_and_each_gets_its_own_answer() {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = sizes.clone();
    let coalescer = start(&[0], move |_, calls, replies| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(calls.len());
        Box::pin(async move {
            tokio::task::yield_now().await;
            // The last ones first.
            for (index, call) in calls.iter().enumerate().rev() {
                replies.answer(index, call * 2)?;
            }
            Ok(())
        })
    });
    let answers = join_all((0..9).map(|call| coalescer.call(call, soon()))).await;
    assert_eq!(answers, (0..9).map(|call| Ok(call * 2)).collect::<Vec<_>>());
    let sizes = sizes.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(sizes.iter().sum::<usize>(), 9);
    assert!(
        sizes.len() < 9 && sizes.iter().all(|size| *size <= LIMITS.calls),
        "{sizes:?}"
    );
}

#[tokio::test]
async fn a_full_queue_answers_at_once() {
    let coalescer = start(&[0], |_, _, _| Box::pin(std::future::pending()));
    let mut calls: Vec<_> = (0..=LIMITS.queue)
        .map(|_| Box::pin(coalescer.call(0, soon())))
        .collect();
    // Queued before the sender runs: the queue takes its limit, the next is refused.
    let last = calls.pop().expect("a call");
    for call in &mut calls {
        assert!(futures::poll!(call).is_pending());
    }
    assert_eq!(last.await, Err(CallError::Overloaded));
}

#[tokio::test]
async fn a_call_waits_no_longer_than_it_says_whatever_hangs() {
    let hanging = start(&[0], |_, _, _| Box::pin(std::future::pending()));
    let nowhere = start(&[], |_, _, _| Box::pin(std::future::pending()));
    for coalescer in [hanging, nowhere] {
        let until = Instant::now() + Duration::from_millis(50);
        assert!(matches!(coalescer.call(1, until).await, Err(CallError::Failed(_))));
        assert!(until.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_request_carries_no_call_whose_caller_has_left_and_no_more_than_its_size() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let (_, targets) = targets(&[0]);
    let limits = CoalesceLimits { size: 3, ..LIMITS };
    let coalescer = Coalescer::start(limits, targets, move |_| {
        let seen = seen.clone();
        let carry: Carry = Box::new(move |calls, replies| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(calls.clone());
            let echoed = echo(&calls, replies);
            Box::pin(async { echoed })
        });
        Fake(carry)
    });
    let mut left = Box::pin(coalescer.call(1, soon()));
    assert!(futures::poll!(&mut left).is_pending());
    drop(left);
    let answers = join_all((2..8).map(|call| coalescer.call(call, soon()))).await;
    assert!(answers.iter().all(Result::is_ok));
    let requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*requests, [vec![2, 3, 4], vec![5, 6, 7]]);
}

#[tokio::test]
async fn an_answer_too_many_or_too_few_fails_the_calls_that_have_none() {
    let coalescer = start(&[0], |_, calls, replies| {
        Box::pin(async move {
            if calls[0] == 0 {
                return Ok(());
            }
            replies.answer(0, 10)?;
            replies.answer(calls.len(), 11)
        })
    });
    assert!(matches!(coalescer.call(0, soon()).await, Err(CallError::Failed(_))));
    let answers = join_all([coalescer.call(1, soon()), coalescer.call(2, soon())]).await;
    assert_eq!(answers[0], Ok(10));
    assert!(matches!(answers[1], Err(CallError::Failed(_))), "{answers:?}");
}

#[tokio::test]
async fn a_call_that_was_answered_stays_answered_if_the_request_breaks_later() {
    let coalescer = start(&[0], |_, _, replies| {
        Box::pin(async move {
            replies.answer(0, 5)?;
            Err(failed())
        })
    });
    let answers = join_all([coalescer.call(1, soon()), coalescer.call(2, soon())]).await;
    assert_eq!(answers, [Ok(5), Err(failed())]);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_others_nor_do_the_calls_after_it() {
    let coalescer = start(&[0], |_, calls, replies| {
        Box::pin(async move {
            replies.begun();
            for (index, call) in calls.iter().enumerate().filter(|(_, call)| **call != 0) {
                replies.answer(index, *call)?;
            }
            if calls.contains(&0) {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    let mut slow = Box::pin(coalescer.call(0, soon()));
    let (beside, after) = (coalescer.call(1, soon()), coalescer.call(2, soon()));
    assert!(futures::poll!(&mut slow).is_pending());
    assert_eq!(beside.await, Ok(1));
    assert_eq!(after.await, Ok(2));
    assert!(futures::poll!(&mut slow).is_pending());
}

#[tokio::test]
async fn a_sender_that_hangs_holds_up_only_what_it_took() {
    let coalescer = start(&[0, 1], |target, calls, replies| {
        Box::pin(async move {
            match target {
                0 => std::future::pending().await,
                _ => echo(&calls, replies),
            }
        })
    });
    let mut hung = 0;
    let mut waiting = Vec::new();
    for call in 0..20 {
        let mut asked = Box::pin(coalescer.call(call, soon()));
        tokio::select! {
            answer = &mut asked => assert_eq!(answer, Ok(call)),
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                hung += 1;
                waiting.push(asked);
            }
        }
    }
    assert_eq!(hung, 1);
}

#[tokio::test]
async fn a_target_that_fails_gets_no_call_until_it_says_that_it_is_there() {
    struct Fallible {
        target: u32,
        asked: Arc<AtomicUsize>,
    }
    impl Link<u32, u32> for Fallible {
        async fn ask(&self) -> Result<(), CallError> {
            // It is there at first, and then only when it is asked for the fifth time.
            match self.target {
                0 if (1..5).contains(&self.asked.fetch_add(1, Ordering::SeqCst)) => Err(failed()),
                _ => Ok(()),
            }
        }

        async fn carry(&self, calls: Vec<u32>, replies: &mut Replies<u32>) -> Result<(), CallError> {
            match self.target {
                0 if self.asked.load(Ordering::SeqCst) < 5 => Err(failed()),
                _ => echo(&calls, replies),
            }
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = asked.clone();
    let (_, targets) = targets(&[0, 1]);
    let coalescer = Coalescer::start(LIMITS, targets, move |target| Fallible {
        target: *target,
        asked: seen.clone(),
    });
    let mut failures = 0;
    while asked.load(Ordering::SeqCst) < 6 {
        failures += u32::from(coalescer.call(1, soon()).await.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(failures, 1);
}

#[tokio::test]
async fn a_sender_that_breaks_comes_back() {
    let coalescer = start(&[0], |_, calls, replies| {
        Box::pin(async move {
            assert_ne!(calls, [0], "on purpose");
            echo(&calls, replies)
        })
    });
    assert!(matches!(coalescer.call(0, soon()).await, Err(CallError::Failed(_))));
    assert_eq!(coalescer.call(1, soon()).await, Ok(1));
}

#[tokio::test]
async fn senders_come_and_go_and_one_that_goes_finishes_what_it_took() {
    let (change, targets) = targets(&[]);
    let coalescer = Coalescer::start(LIMITS, targets, move |target| {
        let target = *target;
        let carry: Carry = Box::new(move |calls, replies| {
            Box::pin(async move {
                if calls == [100] {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                (0..calls.len()).try_for_each(|index| replies.answer(index, target))
            })
        });
        Fake(carry)
    });
    let mut early = Box::pin(coalescer.call(1, soon()));
    assert!(futures::poll!(&mut early).is_pending());
    change.send_replace([7].into());
    assert_eq!(early.await, Ok(7));
    let mut under_way = Box::pin(coalescer.call(100, soon()));
    assert!(futures::poll!(&mut under_way).is_pending());
    tokio::time::sleep(Duration::from_millis(10)).await;
    change.send_replace([8, 9].into());
    let mut served = Vec::new();
    for call in 0..20 {
        served.push(coalescer.call(call, soon()).await.expect("an answer"));
    }
    assert!(
        !served.contains(&7) && served.contains(&8) && served.contains(&9),
        "{served:?}"
    );
    assert_eq!(under_way.await, Ok(7));
}
