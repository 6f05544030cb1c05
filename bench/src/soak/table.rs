//! A soak as text, 80 columns wide.

use comfy_table::{CellAlignment, Table, presets};

use super::{
    SoakResult,
    memory::{Bound, Growth},
};
use crate::{numbers::float, table::figure};

/// What was done, and what grew.
pub(crate) fn of(soaked: &SoakResult) -> String {
    let mut lines = vec![
        format!(
            "soak: {} orders/s for {:.1} minutes: {} paid, {} refused",
            soaked.rate,
            soaked.seconds / 60.0,
            soaked.paid,
            soaked.refused
        ),
        format!(
            "checkouts: p50 {:.2} ms, p99 {:.2} ms, max {:.0} ms; warm-up {:.1} minutes",
            soaked.latency_ms.p50,
            soaked.latency_ms.p99,
            soaked.latency_ms.max,
            soaked.warm_up_s / 60.0
        ),
        soaked.failure.clone().unwrap_or_default(),
    ];
    lines.push(growth(&soaked.growth).to_string());
    lines.join("\n")
}

fn growth(growth: &[Growth]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header([
            "memory, MB",
            "start",
            "warm",
            "end",
            "kB/minute",
            "B/order",
            "bound",
            "",
        ])
        .add_rows(growth.iter().map(row));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(growth: &Growth) -> [String; 8] {
    let megabytes = |bytes: u64| figure(float(bytes) / 1e6);
    let bound = match growth.bound {
        Bound::Flat => "flat".to_owned(),
        Bound::EachOrder(bytes) => figure(bytes),
    };
    [
        growth.what.clone(),
        megabytes(growth.start),
        megabytes(growth.warm),
        megabytes(growth.end),
        figure(growth.each_minute / 1e3),
        figure(growth.each_order),
        bound,
        if growth.is_within_its_bound() { "ok" } else { "OVER" }.to_owned(),
    ]
}
