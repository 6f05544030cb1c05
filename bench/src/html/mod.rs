//! The report as one HTML file: it needs no network, and follows the reader's light or dark setting.

mod bars;
mod headline;
mod markup;
mod quantiles;
mod sections;
mod tables;

use crate::{run::Run, targets::Reached};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(crate) fn page(runs: &[Run], targets: &[Reached], failure: Option<&str>) -> String {
    let failure = failure.map_or_else(String::new, |failure| {
        format!(
            "<p class=\"failure\"><strong>A run failed; what follows is what was measured before.</strong>\n{}</p>",
            markup::escaped(failure)
        )
    });
    let parts = [
        headline::tiles(targets),
        headline::table(targets),
        sections::rates(runs),
        sections::latencies(runs),
        sections::processor_time(runs),
        sections::batches(runs),
        sections::special(runs),
        tables::figures(runs),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Holdfast: how fast is a checkout?</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>How fast is a checkout, and what does it cost?</h1>\n\
         <p class=\"lead\">Services, Redis and load on one machine with {processors}. Every run starts a system of its \
         own on fresh data, checks out only fresh orders, and ends with the auditor, which proves that nothing is \
         oversold and nobody is charged twice.</p>\n{failure}{parts}\n</body>\n</html>\n",
        processors = processors(),
        parts = parts.join("\n")
    )
}

fn processors() -> String {
    match std::thread::available_parallelism().map(usize::from) {
        Ok(1) => "one processor".into(),
        Ok(count) => format!("{count} processors"),
        Err(_) => "an unknown number of processors".into(),
    }
}
