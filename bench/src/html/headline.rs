//! The table of targets, and the figures that a reader looks for first.

use super::markup::{escaped, section};
use crate::{
    summary::Spread,
    table::figure,
    targets::{Goal, Reached, Verdict},
};

/// How many figures stand above everything else.
const TILES: usize = 4;

/// The first goals that were measured, in large figures.
pub(super) fn tiles(targets: &[Reached]) -> String {
    let measured = targets.iter().filter_map(|row| Some((row, row.measured?)));
    let tiles = measured.take(TILES).map(|(row, measured)| {
        format!(
            "<div class=\"card tile\"><strong class=\"{}\">{} {}</strong><span>{}</span></div>",
            class(row.verdict),
            figure(measured.median),
            row.goal.unit,
            escaped(row.goal.what)
        )
    });
    format!("<div class=\"tiles\">{}</div>", tiles.collect::<String>())
}

/// Every goal, what was measured for it, and whether it is met.
pub(super) fn table(targets: &[Reached]) -> String {
    let rows: String = targets.iter().map(row).collect();
    let table = format!(
        "<div class=\"card wide\"><table><thead><tr><th>what</th><th class=\"number\">measured</th>\
         <th class=\"number\">least to most</th><th class=\"number\">rounds</th><th class=\"number\">target</th>\
         <th class=\"number\">beyond</th><th>met?</th><th>floor or peer</th></tr></thead><tbody>{rows}</tbody></table></div>"
    );
    section(
        "Targets",
        "Medians over the rounds. A ratio compares two runs of the same round, minutes apart.",
        &table,
    )
}

fn row(row: &Reached) -> String {
    let Goal {
        what,
        unit,
        floor,
        target,
        beyond,
        ..
    } = row.goal;
    let with_unit = |value: f64| format!("{} {unit}", figure(value));
    let (median, spread, rounds) = match row.measured {
        Some(Spread {
            median,
            least,
            most,
            count,
        }) => (
            with_unit(median),
            format!("{} to {}", figure(least), figure(most)),
            count.to_string(),
        ),
        None => Default::default(),
    };
    let cells = [
        median,
        spread,
        rounds,
        with_unit(target),
        beyond.map(with_unit).unwrap_or_default(),
    ];
    let cells = cells.map(|cell| format!("<td class=\"number\">{cell}</td>")).concat();
    format!(
        "<tr><td class=\"strong\">{}</td>{cells}<td class=\"verdict {}\">{}</td><td>{}</td></tr>",
        escaped(what),
        class(row.verdict),
        row.verdict.in_words(),
        escaped(floor)
    )
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Beyond => "beyond",
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::NotMeasured => "not-measured",
    }
}
