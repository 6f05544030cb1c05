//! The report as one HTML file: it needs no network, and follows the reader's light or dark setting.

mod plots;
mod sections;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{run::Run, targets::GoalResult};

const STYLE: &str = include_str!("style.css");

/// The whole page.
///
/// # Errors
/// A plot cannot be drawn.
pub(crate) fn page(runs: &[Run], targets: &[GoalResult], failure: Option<&str>) -> anyhow::Result<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Holdfast: how fast is a checkout?" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "How fast is a checkout, and what does it cost?" }
                p.lead {
                    "Services, Redis and load on one machine with " (processors()) ". Every run starts a system of its \
                     own on fresh data, checks out only fresh orders, and ends with the auditor, which proves that \
                     nothing is oversold and nobody is charged twice."
                }
                @if let Some(failure) = failure {
                    p.failure {
                        strong { "A run failed; what follows is what was measured before." }
                        br;
                        (failure)
                    }
                }
                (sections::tiles(targets))
                (sections::targets(targets))
                (sections::rates(runs)?)
                (sections::latencies(runs)?)
                (sections::processor_time(runs)?)
                (sections::batches(runs)?)
                (sections::details(runs))
                (sections::figures(runs))
            }
        }
    };
    Ok(page.into_string())
}

/// A section with its heading, what to know about it, and its content.
fn section(heading: &str, note: &str, content: &Markup) -> Markup {
    html! {
        h2 { (heading) }
        p.note { (note) }
        (content)
    }
}

fn processors() -> String {
    match std::thread::available_parallelism().map(usize::from) {
        Ok(1) => "one processor".into(),
        Ok(count) => format!("{count} processors"),
        Err(_) => "an unknown number of processors".into(),
    }
}
