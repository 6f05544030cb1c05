//! The engine's rules. Each can be taken away, to see what it is there for.

/// What the engine holds to. [`Rules::ENGINE`] is the real one; a test changes one field of it.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that is there or not")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) lost_answer: LostAnswer,
    pub(super) question: Question,
    pub(super) numbers: Numbers,
    pub(super) client: Client,
    pub(super) absent: Absent,
    /// A lane whose fence is not there writes it before it commits a batch.
    pub(super) establishes: bool,
    /// A turn whose lane doesn't end it ends by itself.
    pub(super) turns_expire: bool,
    /// A batch's EXEC watches the records that were read.
    pub(super) watches_records: bool,
    /// A batch's EXEC watches the lane's fence.
    pub(super) watches_fence: bool,
    /// A batch watches before it reads.
    pub(super) watches_first: bool,
}

/// What the lane makes of an EXEC whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LostAnswer {
    /// The engine: the fence is asked.
    Asked,
    TakenForInForce,
    TakenForNotInForce,
}

/// How the fence is asked whether a batch is in force, and moved if it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The engine: WATCH fence, GET fence, MULTI / SET fence / EXEC.
    WatchReadMove,
    /// GET before WATCH.
    ReadWatchMove,
    /// No WATCH at all.
    ReadMove,
    /// GET alone: the fence isn't moved.
    Read,
    /// `SET fence <new> GET`, which needs one command only.
    SetGet,
}

/// What the lane makes of a fence that is gone when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The engine: nobody can know.
    TakenForUnknown,
    TakenForNotInForce,
}

/// Which EXECs have a number of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// The engine: each try at a batch, and each move of the fence.
    Fresh,
    /// All tries at one batch share a number.
    SharedByTries,
    /// All of a lane's batches share a number.
    SharedByBatches,
    /// A move has the number of the try that follows it.
    SharedWithMoves,
}

/// What the Redis client does when its connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// The engine: it fails.
    Fails,
    /// It connects again in silence if no command is under way, and so loses what it watched.
    Reconnects,
    /// It connects again in silence and repeats the transaction that was under way.
    Repeats,
    /// It says nothing, and the lane waits without end for the answer of the transaction that was under way.
    Hangs,
}

impl Rules {
    pub(super) const ENGINE: Self = Self {
        lost_answer: LostAnswer::Asked,
        question: Question::WatchReadMove,
        numbers: Numbers::Fresh,
        client: Client::Fails,
        absent: Absent::TakenForUnknown,
        establishes: true,
        turns_expire: true,
        watches_records: true,
        watches_fence: true,
        watches_first: true,
    };
}
