//! Events: what readers are told of them, and whether what happens is as they are told.

mod announced;
mod document;
mod schemas;

use harness::Deployment;
use reqwest::Method;
use serde_json::{Value, json};

/// The events' document of one process.
async fn document(client: &harness::Client) -> Value {
    let answer = client.call(Method::GET, "/asyncapi.json").await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/json"),
        "{answer:?}"
    );
    answer.json()
}

/// The schema to which the `dataschema` of an event leads.
pub(crate) async fn schema_of(event: &Value, client: &harness::Client) -> Value {
    let place = event["dataschema"].as_str().expect("a place");
    let (document, pointer) = place.split_once('#').expect("a place in a document");
    let answer = client.get(document).await;
    assert_eq!(answer.status, 200, "{place}");
    let found = answer.json().pointer(pointer).cloned();
    found.unwrap_or_else(|| unreachable!("{place} leads nowhere"))
}

/// The events' documents of a deployment's services as one: each part of it has the entries of all.
async fn documents(deployment: &Deployment) -> Value {
    let mut all = json!({});
    for service in [&deployment.order[0], &deployment.stock[0], &deployment.payment[0]] {
        merge(
            &mut all,
            document(&harness::Client::of_one_origin(&service.origin())).await,
        );
    }
    all
}

fn merge(all: &mut Value, more: Value) {
    match (all, more) {
        (Value::Object(all), Value::Object(more)) => {
            for (name, value) in more {
                merge(all.entry(name).or_insert(json!({})), value);
            }
        }
        (all, more) => *all = more,
    }
}
