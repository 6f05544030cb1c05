//! The work on one partition: what was pending, then what is new, until it is left.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Handler, Repeats, alone,
    backlog::Backlog,
    desk::{Begin, Desk, Next},
    event::{End, Turn},
    group,
    seat::{Arrival, Seat},
    settling::Settling,
    standing::{labels, standing},
    takeover::{Claimed, PAGE},
};
use crate::{CloudEvent, replies::Entry};

/// How often it is looked how far the group is.
const SURVEY: Duration = Duration::from_secs(5);

/// How long a handler may take to end whose time is over.
const GRACE: Duration = Duration::from_millis(500);

/// Works on one partition for as long as this consumer owns it.
pub(super) struct Worker<H> {
    context: Arc<Context<H>>,
    seat: Arc<Seat>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    leave: CancellationToken,
    desk: Desk,
    running: JoinSet<(Arc<str>, End)>,
    backlog: Backlog,
    settling: Settling,
    /// Whether a task of ours broke, so that nobody knows what is under way.
    is_broken: bool,
}

impl<H: Handler> Worker<H> {
    pub(super) fn new(
        context: Arc<Context<H>>,
        seat: Arc<Seat>,
        arrivals: mpsc::UnboundedReceiver<Arrival>,
        leave: CancellationToken,
        released: bool,
    ) -> Self {
        Self {
            backlog: Backlog::of_former_owner(released),
            settling: Settling::new(),
            context,
            seat,
            arrivals,
            leave,
            desk: Desk::new(),
            running: JoinSet::new(),
            is_broken: false,
        }
    }

    /// Works until the partition is to be left, or lost. Returns whether nothing is under way any more, so that the next
    /// owner need not wait.
    pub(super) async fn run(mut self) -> bool {
        let mut survey = interval(SURVEY);
        while !self.is_broken && Instant::now() < self.seat.deadline() {
            self.begin();
            self.open_or_shut();
            let has_room = self.desk.held() + PAGE <= self.context.config.ahead;
            tokio::select! {
                () = self.leave.cancelled() => break,
                () = sleep_until(self.seat.deadline()) => {}
                Some(ended) = self.running.join_next() => self.ended(ended),
                Some(arrival) = self.arrivals.recv() => self.arrive(arrival),
                () = sleep_until(self.backlog.at()), if self.backlog.is_there() && has_room => self.take_over().await,
                () = sleep_until(self.settling.at()), if self.settling.is_due() => self.settle().await,
                _ = survey.tick() => self.survey().await,
            }
        }
        self.end().await
    }

    fn begin(&mut self) {
        while let Some(Next {
            subject,
            event,
            entry,
            is_suspect,
        }) = self.desk.next()
        {
            let turn = Turn {
                context: self.context.clone(),
                partition: self.seat.partition,
                event,
                entry,
                is_suspect,
                leave: self.leave.clone(),
                due: self.leave.is_cancelled(),
            };
            self.running.spawn(async move { (subject, turn.run().await) });
        }
    }

    /// New entries are read once what was pending is taken, and while there is room.
    fn open_or_shut(&self) {
        let (held, ahead) = (self.desk.held(), self.context.config.ahead);
        if self.backlog.comes_first() || held + PAGE > ahead {
            self.seat.shut();
        } else if held <= ahead / 2 {
            self.context.seats.open(&self.seat);
        }
    }

    fn ended(&mut self, ended: Result<(Arc<str>, End), JoinError>) {
        let mut ended = Some(ended);
        while let Some(one) = ended {
            match one {
                Ok((subject, End::Settled)) => {
                    if let Some(id) = self.desk.settled(&subject) {
                        self.settling.complete(id);
                    }
                }
                Ok((_, End::Left)) => {}
                Err(cause) => {
                    tracing::error!(partition = %self.seat.partition, %cause, "the work on a partition broke");
                    self.is_broken = true;
                }
            }
            ended = self.running.try_join_next();
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        self.context
            .seats
            .looked_at(&self.seat, &arrival, self.context.config.ahead);
        match arrival {
            Arrival::Entries(entries) => entries.into_iter().for_each(|entry| self.add(entry)),
            Arrival::Unclear => self.backlog.begin_anew(),
        }
    }

    fn add(&mut self, entry: Entry) {
        if self.desk.holds(entry.id) {
            return;
        }
        let bytes = entry.events.unwrap_or_default();
        match engine::parse_events(&bytes) {
            Ok(emitted) => {
                let topic = self.seat.partition.topic;
                let events = emitted.into_iter().map(|one| CloudEvent::new(topic, one)).collect();
                if self.desk.add(entry.id, events) {
                    self.settling.complete(entry.id);
                }
            }
            Err(cause) => {
                self.desk.add(entry.id, Vec::new());
                let reason = format!("the entry holds no events: {cause}");
                self.settling.bury(entry.id, bytes, reason);
            }
        }
    }

    async fn take_over(&mut self) {
        for Claimed { entry, deliveries } in self.backlog.step(&self.context, self.seat.partition).await {
            let id = entry.id;
            if self.desk.holds(id) {
                continue;
            }
            self.add(entry);
            if deliveries > alone::UNSUSPICIOUS {
                tracing::warn!(group = self.context.config.group, partition = %self.seat.partition, entry = %id, deliveries,
                    "consumers died again and again while an entry was pending: its events are handled alone");
                self.desk.suspect(id);
                self.settling.suspect(id);
                let labels = labels(&self.context.config.group, self.seat.partition.topic);
                counter!("holdfast_consumer_suspected_total", &labels).increment(1);
            }
        }
    }

    async fn settle(&mut self) {
        let settled = self.settling.step(&self.context, self.seat.partition).await;
        self.desk.forget(&settled);
    }

    async fn survey(&mut self) {
        let (context, partition) = (&self.context, self.seat.partition);
        match standing(&context.line, partition, &context.config.group).await {
            Ok(standing) => {
                let known = self.desk.held() + self.seat.waiting();
                if usize::try_from(standing.pending).is_ok_and(|pending| pending > known) {
                    self.backlog.look_for_strays(context.config.handler_bound());
                }
                context.gauges.note(&context.config.group, partition, Some(standing));
            }
            Err(cause) if group::is_missing(&cause) => {
                group::mend(&context.line, &context.config.group, &[partition]).await;
            }
            Err(cause) => context.trouble("nobody knows how far the group is", &cause),
        }
    }

    /// Ends what is under way, within a handler's time. What was read and not begun stays pending.
    async fn end(mut self) -> bool {
        self.seat.shut();
        self.leave.cancel();
        let config = &self.context.config;
        let last = Instant::now() + config.handler_timeout + GRACE;
        // What is lost may have another owner already. A mark says what is done of what must not be repeated.
        let is_lost = Instant::now() >= self.seat.deadline();
        let finishes = !is_lost && config.repeats == Repeats::Allowed;
        self.desk
            .begin_only(if finishes { Begin::Rest } else { Begin::Nothing });
        while !self.is_broken {
            self.begin();
            if self.running.is_empty() && !self.settling.is_due() {
                break;
            }
            tokio::select! {
                () = sleep_until(last) => break,
                Some(ended) = self.running.join_next() => self.ended(ended),
                () = sleep_until(self.settling.at()), if self.settling.is_due() => self.settle().await,
            }
        }
        let is_quiet = timeout(GRACE, self.running.shutdown()).await.is_ok();
        self.context.seats.close(&self.seat).await;
        let (gauges, group) = (&self.context.gauges, &self.context.config.group);
        gauges.note(group, self.seat.partition, None);
        is_quiet && !self.is_broken && !is_lost
    }
}
