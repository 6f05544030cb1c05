//! The page on which a person reads which events there are. It needs nothing but itself.

mod fields;

use bus::{Catalogue, Topic, example};
use engine::EventKind;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use self::fields::fields;

const STYLE: &str = include_str!("events_page/style.css");

/// The page, which links the document that says the same to tools.
pub(crate) fn page(catalogue: &Catalogue, document: &str) -> String {
    let title = format!("{} events", catalogue.title());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p {
                    "Each is a CloudEvent 1.0. It may arrive twice: " code { "source" } " and " code { "id" } " name it. "
                    code { "sequence" } " counts the events about one subject from 1, without a gap, and they keep their order."
                }
                p { "For tools: " a href=(document) { (document) } " (AsyncAPI 3)." }
                (contents(catalogue))
                @for (topic, kinds) in catalogue.topics() { (section(topic, kinds)) }
            }
        }
    };
    page.into_string()
}

fn contents(catalogue: &Catalogue) -> Markup {
    html! {
        nav aria-label="All events" {
            ul {
                @for kind in catalogue.topics().flat_map(|(_, kinds)| kinds) {
                    li { a href={ "#" (kind.r#type) } { (kind.r#type) } }
                }
            }
        }
    }
}

fn section(topic: Topic, kinds: &[EventKind]) -> Markup {
    html! {
        h2 { "Topic " (topic) ": what " (topic.service()) " announces" }
        @for kind in kinds { (event(topic, kind)) }
    }
}

fn event(topic: Topic, kind: &EventKind) -> Markup {
    let whole = example(topic, kind).and_then(|event| serde_json::to_value(event).ok());
    let whole = whole.and_then(|event| serde_json::to_string_pretty(&event).ok());
    html! {
        article id=(kind.r#type) {
            h3 { (kind.r#type) }
            p { (prose(kind.schema["description"].as_str().unwrap_or_default())) }
            (data(&kind.schema))
            details {
                summary { "An example, whole" }
                pre { (whole.unwrap_or_default()) }
            }
        }
    }
}

/// A table of the fields of an event's data.
fn data(schema: &Value) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { th { "field of " code { "data" } } th { "form" } th { "what it says" } } }
                tbody {
                    @for field in fields(schema) {
                        tr {
                            td { code { (field.path) } @if !field.is_required { span.dim { " may be missing" } } }
                            td { (field.form) }
                            td { (prose(&field.says)) }
                        }
                    }
                }
            }
        }
    }
}

/// Text as docstrings have it: what stands between backticks is code.
fn prose(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Credits, ServiceName};
    use engine::Event;
    use schemars::JsonSchema;
    use serde::Serialize;

    use super::*;

    /// Less than <b>before</b>.
    #[derive(Serialize, JsonSchema)]
    struct Shrunk {
        /// To what `height`.
        to: Credits,
    }

    impl Event for Shrunk {
        const TYPE: &'static str = "item.shrunk";

        fn example() -> Self {
            Self { to: Credits::from(5) }
        }
    }

    #[test]
    fn a_page_shows_each_event_with_its_fields_and_an_example_and_needs_nothing_else() {
        let catalogue =
            Catalogue::new("Forest", "1").with(Topic::of(ServiceName::Stock), vec![EventKind::new::<Shrunk>()]);
        let page = page(&catalogue, "/asyncapi.json");
        for shown in [
            "href=\"#item.shrunk\"",
            "id=\"item.shrunk\"",
            "Less than &lt;b&gt;before&lt;/b&gt;.",
            "To what <code>height</code>.",
            "href=\"/asyncapi.json\"",
            "&quot;to&quot;: 5",
            "width=device-width",
        ] {
            assert!(page.contains(shown), "{shown} is not in {page}");
        }
        for outside in ["http:", "https:", "<script", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside} is in {page}");
        }
    }
}
