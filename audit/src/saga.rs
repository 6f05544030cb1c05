//! Every saga: what its order says against what its holds say.

mod confirm;
mod judge;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{OrderId, SagaId, Timestamp};
use order::{inflight::Inflight, keys::Keys, record::Order};
use serde::Serialize;

use self::confirm::confirm;
use self::judge::{Sales, Stage, Suspicion, judge, sales_of, stage};
use crate::{
    finding::{Findings, Kind},
    ledger::LedgerRow,
    participant::{HoldOf, Participant, Payment, SagaContents, Stock},
    sources::{Source, Sources},
    spill::Spill,
    sweep::OrderRow,
};

/// How many holds are read again at once.
const READ_AGAIN: usize = 1_000;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After which time a saga that is not finished, or paid and not settled in time, is a finding.
    pub(crate) overdue_after: Duration,
    /// How long what a finished saga leaves is kept.
    pub(crate) kept: Duration,
}

/// How many sagas there are.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct SagaCounts {
    pub(crate) orders: u64,
    pub(crate) paid: u64,
    pub(crate) under_way: u64,
    pub(crate) in_flight: u64,
    pub(crate) stock_holds: u64,
    pub(crate) payment_holds: u64,
}

type Holds<P> = BTreeMap<(SagaId, String), HoldOf<P>>;

/// What the sweeps know of one order.
#[derive(Default)]
struct OrderFacts {
    order: Option<Order>,
    /// What it had sold before it was set back. With what it sells now, once all rows are known.
    sales: Sales,
    entries: BTreeMap<SagaId, f64>,
    stock: Holds<Stock>,
    payment: Holds<Payment>,
}

/// Looks at every saga, and hands what it holds on to the books.
pub(crate) struct SagaAudit<'a> {
    sources: &'a Sources,
    orders: Keys,
    now: Timestamp,
    patience: Patience,
    stock: &'a mut Spill<LedgerRow<stock::record::Hold>>,
    payment: &'a mut Spill<LedgerRow<payment::record::Hold>>,
    findings: &'a mut Findings,
    counts: SagaCounts,
}

impl<'a> SagaAudit<'a> {
    pub(crate) fn new(
        sources: &'a Sources,
        patience: Patience,
        stock: &'a mut Spill<LedgerRow<stock::record::Hold>>,
        payment: &'a mut Spill<LedgerRow<payment::record::Hold>>,
        findings: &'a mut Findings,
    ) -> Self {
        Self {
            sources,
            orders: Keys::new(sources.order.partitions.clone()),
            now: Timestamp::now(),
            patience,
            stock,
            payment,
            findings,
            counts: SagaCounts::default(),
        }
    }

    pub(crate) async fn run(mut self, rows: Spill<OrderRow>) -> anyhow::Result<SagaCounts> {
        for bucket in rows.into_buckets() {
            let mut orders: BTreeMap<OrderId, OrderFacts> = BTreeMap::new();
            for row in bucket? {
                // A scan may name a key twice. The later reading counts.
                match row? {
                    OrderRow::Order(order_id, order) => orders.entry(order_id).or_default().order = Some(order),
                    OrderRow::Sale(saga_id, sale) => {
                        let known = orders.entry(saga_id.order).or_default();
                        known.sales.insert(saga_id.attempt, sale);
                    }
                    OrderRow::Entry(saga_id, score) => {
                        let known = orders.entry(saga_id.order.clone()).or_default();
                        known.entries.insert(saga_id, score);
                    }
                    OrderRow::Stock(saga_id, id, hold) => {
                        let known = orders.entry(saga_id.order.clone()).or_default();
                        known.stock.insert((saga_id, id), hold);
                    }
                    OrderRow::Payment(saga_id, id, hold) => {
                        let known = orders.entry(saga_id.order.clone()).or_default();
                        known.payment.insert((saga_id, id), hold);
                    }
                }
            }
            self.bucket(orders).await?;
        }
        Ok(self.counts)
    }

    async fn bucket(&mut self, orders: BTreeMap<OrderId, OrderFacts>) -> anyhow::Result<()> {
        let (mut of_stock, mut of_payment) = (Vec::new(), Vec::new());
        for (order_id, mut known) in orders {
            known.sales = sales_of(known.order.as_ref(), &known.sales);
            self.count(&known);
            self.index(&order_id, &known).await?;
            let order = known.order.as_ref();
            let entries: BTreeSet<SagaId> = known.entries.into_keys().collect();
            of_stock.extend(judge::<Stock>(&order_id, order, &known.sales, &entries, &known.stock));
            of_payment.extend(judge::<Payment>(
                &order_id,
                order,
                &known.sales,
                &entries,
                &known.payment,
            ));
            pass_on::<Stock>(&self.sources.stock, known.stock, self.stock)?;
            pass_on::<Payment>(&self.sources.payment, known.payment, self.payment)?;
        }
        let asked = of_stock.iter().chain(&of_payment).filter(|suspicion| suspicion.asks());
        let inflights = self.inflights(asked.map(Suspicion::saga_id)).await?;
        for some in of_stock.chunks(READ_AGAIN) {
            confirm::<Stock>(
                &self.sources.stock,
                &inflights,
                self.patience.kept,
                some,
                self.stock,
                self.findings,
            )
            .await?;
        }
        for some in of_payment.chunks(READ_AGAIN) {
            confirm::<Payment>(
                &self.sources.payment,
                &inflights,
                self.patience.kept,
                some,
                self.payment,
                self.findings,
            )
            .await?;
        }
        Ok(())
    }

    fn count(&mut self, known: &OrderFacts) {
        self.counts.in_flight += known.entries.len() as u64;
        self.counts.paid += known.sales.len() as u64;
        self.counts.stock_holds += known.stock.len() as u64;
        self.counts.payment_holds += known.payment.len() as u64;
        if let Some(order) = &known.order {
            self.counts.orders += 1;
            self.counts.under_way += u64::from(order.drive().is_some());
        }
    }

    /// Holds the index against the order. What does not match is looked at again, since both may have changed.
    async fn index(&mut self, order_id: &OrderId, known: &OrderFacts) -> anyhow::Result<()> {
        for (saga_id, score) in &known.entries {
            match stage(known.order.as_ref(), &known.sales, saga_id.attempt) {
                Stage::UnderWay { .. } | Stage::Paid(_) if self.is_late(*score) => {
                    // It may have been finished, or settled, since.
                    if self.score(saga_id).await?.is_some_and(|score| self.is_late(score)) {
                        let detail = "nobody has finished or settled it; is an order process running?";
                        self.findings.add(Kind::Overdue, self.entry(saga_id), detail)?;
                    }
                }
                Stage::UnderWay { .. } | Stage::Paid(_) => {}
                Stage::Over | Stage::NotYet | Stage::NoOrder => {
                    // The order is read first: one that was set back by then has left its sale.
                    let order = self.read_order(order_id).await?;
                    let over = !matches!(
                        stage(order.as_ref(), &Sales::new(), saga_id.attempt),
                        Stage::UnderWay { .. } | Stage::Paid(_)
                    ) && !self.is_sold(saga_id).await?;
                    if over && self.score(saga_id).await?.is_some() {
                        let detail = "there is no such saga, or it is finished";
                        self.findings.add(Kind::OrphanEntry, self.entry(saga_id), detail)?;
                    }
                }
            }
        }
        let Some(order) = known.order.as_ref().filter(|order| order.drive().is_some()) else {
            return Ok(());
        };
        let saga_id = order.saga_id(order_id);
        if known.entries.contains_key(&saga_id) || self.score(&saga_id).await?.is_some() {
            return Ok(());
        }
        let now = self.read_order(order_id).await?;
        if now.is_some_and(|now| now.attempt == order.attempt && now.drive().is_some()) {
            let key = self.orders.order(order_id).name().to_string();
            let detail = format!("{saga_id} is under way and not in the index, so nobody recovers it");
            self.findings.add(Kind::Unlisted, key, detail)?;
        }
        Ok(())
    }

    fn entry(&self, saga_id: &SagaId) -> String {
        let order = self.orders.order(&saga_id.order);
        format!("{} {saga_id}", self.orders.inflight(order.partition()).name())
    }

    /// Whether recovery should have taken the saga over, or settled it, long ago.
    fn is_late(&self, score: f64) -> bool {
        let (since, patience) = match Inflight::from_score(score) {
            Inflight::UnderWay { since } => (since, self.patience.overdue_after),
            Inflight::Paid { since } => (since, self.patience.kept + self.patience.overdue_after),
        };
        self.now.since(since) > patience
    }

    async fn score(&self, saga_id: &SagaId) -> anyhow::Result<Option<f64>> {
        let members = [self.member(saga_id)];
        let scores = self.sources.order.scanner.scores(&members).await?;
        Ok(scores.into_iter().flatten().next())
    }

    /// Where these sagas stand: each is asked for once, and many in one round trip. Those off the index are left out.
    async fn inflights<'s>(
        &self,
        saga_ids: impl Iterator<Item = &'s SagaId>,
    ) -> anyhow::Result<BTreeMap<SagaId, Inflight>> {
        let saga_ids: BTreeSet<&SagaId> = saga_ids.collect();
        let members: Vec<_> = saga_ids.iter().map(|saga_id| self.member(saga_id)).collect();
        let scores = self.sources.order.scanner.scores(&members).await?;
        let inflight = |(saga_id, score): (&SagaId, Option<f64>)| Some((saga_id.clone(), Inflight::from_score(score?)));
        Ok(saga_ids.into_iter().zip(scores).filter_map(inflight).collect())
    }

    /// The saga's index, and its name there.
    fn member(&self, saga_id: &SagaId) -> (String, String) {
        let order = self.orders.order(&saga_id.order);
        let index = self.orders.inflight(order.partition());
        (index.name().to_string(), saga_id.to_string())
    }

    /// Whether the saga was paid and its order set back.
    async fn is_sold(&self, saga_id: &SagaId) -> anyhow::Result<bool> {
        let name = self.orders.sale(saga_id).name().to_string();
        let values = self.sources.order.scanner.read(vec![name]).await?;
        Ok(values.into_iter().flatten().next().is_some())
    }

    async fn read_order(&self, order_id: &OrderId) -> anyhow::Result<Option<Order>> {
        let name = self.orders.order(order_id).name().to_string();
        let values = self.sources.order.scanner.read(vec![name]).await?;
        // One that cannot be read any more is the next audit's finding.
        Ok(values
            .into_iter()
            .flatten()
            .next()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}

/// Hands every hold on to the books.
fn pass_on<P: Participant>(
    source: &Source,
    holds: Holds<P>,
    ledger: &mut Spill<LedgerRow<HoldOf<P>>>,
) -> anyhow::Result<()> {
    for ((saga_id, id), hold) in holds {
        let key = P::hold_key(&source.partitions, &saga_id, &id);
        ledger.add(&id.clone(), &LedgerRow::Hold { id, key, hold })?;
    }
    Ok(())
}

/// What a saga under way asks for.
fn wanted(order: &Order) -> SagaContents<'_> {
    SagaContents {
        user_id: order.user_id.as_str(),
        lines: &order.lines,
        total: order.total.get(),
    }
}
