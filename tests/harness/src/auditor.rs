use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::{Deployment, binary, eventually};

/// What `holdfast audit --json` says.
#[derive(Debug, Deserialize)]
pub struct Audit {
    /// Whether nothing is off.
    pub consistent: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many orders there are.
    pub orders: u64,
    /// How many sagas are paid.
    pub paid: u64,
    /// How many sagas are not finished.
    pub under_way: u64,
    /// How many sagas are in the index: those that are not finished, and paid ones that are not settled.
    pub in_flight: u64,
    /// How many holds stock has.
    pub stock_holds: u64,
    /// How many holds payment has.
    pub payment_holds: u64,
    /// How many events are on the bus, if one was named.
    #[serde(default)]
    pub events: u64,
    /// How many entries of outboxes wait to be moved there.
    #[serde(default)]
    pub entries_waiting: u64,
    /// How many entries were cut before they were moved.
    #[serde(default)]
    pub entries_lost: u64,
    /// How many findings there are of each kind.
    pub off: BTreeMap<String, u64>,
    /// What is off.
    pub findings: Vec<Finding>,
}

/// One thing that is off.
#[derive(Debug, Clone, Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: String,
    /// Which record.
    pub record: String,
    /// What was found, and what should be.
    pub detail: String,
}

impl Audit {
    /// Audits a deployment's stores.
    ///
    /// # Panics
    /// If the auditor cannot tell, or its exit code says something else than its words.
    pub async fn of(deployment: &Deployment) -> Self {
        Self::with(deployment, &[]).await
    }

    /// Waits until every saga of a deployment is finished, and checks that everything is consistent all the while.
    ///
    /// # Panics
    /// If it is not, or not in time.
    pub async fn at_rest(deployment: &Deployment) -> Self {
        eventually("every saga is finished", async || {
            let audit = Self::of(deployment).await;
            assert!(audit.consistent, "{audit:#?}");
            (audit.under_way == 0).then_some(audit)
        })
        .await
    }

    /// Audits a deployment's stores with these options besides.
    ///
    /// # Panics
    /// As [`Audit::of`].
    pub async fn with(deployment: &Deployment, options: &[&str]) -> Self {
        let Deployment {
            order_redis,
            stock_redis,
            payment_redis,
            ..
        } = deployment;
        Self::at(&order_redis.url(), &stock_redis.url(), &payment_redis.url(), options).await
    }

    /// Audits the stores at these addresses.
    ///
    /// # Panics
    /// As [`Audit::of`].
    pub async fn at(order_redis: &str, stock_redis: &str, payment_redis: &str, options: &[&str]) -> Self {
        let audit = Self::try_at(order_redis, stock_redis, payment_redis, options).await;
        audit.unwrap_or_else(|error| unreachable!("{error:#}"))
    }

    /// Audits the stores at these addresses.
    ///
    /// # Errors
    /// The auditor cannot tell, or its exit code says something else than its words.
    pub async fn try_at(
        order_redis: &str,
        stock_redis: &str,
        payment_redis: &str,
        options: &[&str],
    ) -> anyhow::Result<Self> {
        let output = Command::new(binary("holdfast"))
            .args(["audit", "--json", "--order-redis", order_redis])
            .args(["--stock-redis", stock_redis])
            .args(["--payment-redis", payment_redis])
            .args(options)
            .output()
            .await
            .context("the auditor cannot be started")?;
        let audit: Self = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("the auditor cannot tell: {}", String::from_utf8_lossy(&output.stderr)))?;
        let code = output.status.code();
        ensure!(code == Some(i32::from(!audit.consistent)), "{code:?}: {audit:?}");
        Ok(audit)
    }
}
