//! The document of the events and its page, as they are served.

use harness::{Client, Deployment, RedisServer, Service, Setup, Standalone, Validator};
use serde_json::Value;

use super::{document, schema_of};

/// Every reference in a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole_and_each_example_is_as_its_schema_says() {
    let standalone = Standalone::start().await;
    let document = document(&standalone.client()).await;
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        let target = reference.strip_prefix('#').and_then(|place| document.pointer(place));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
    let validator = Validator::new(&document);
    let messages = document["components"]["messages"].as_object().expect("messages");
    assert!(!messages.is_empty());
    for (name, message) in messages {
        for said in ["title", "summary"] {
            assert!(
                message[said].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {said}"
            );
        }
        let example = &message["examples"][0]["payload"];
        assert_eq!(example["type"], name.as_str());
        assert_eq!(validator.check(example), Ok(()), "{name}: {example}");
        let schema = schema_of(example, &standalone.client()).await;
        assert_eq!(schema, document["components"]["schemas"][name], "{example}");
        for (field, schema) in document["components"]["schemas"][name]["properties"]
            .as_object()
            .expect("fields")
        {
            assert!(
                schema["description"].is_string(),
                "nothing is said of {field} of {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_tells_of_its_own_events_and_standalone_of_all() {
    let deployment = Deployment::start(Setup::default()).await;
    let store = RedisServer::start().await;
    let mut identity = Service::start("identity", &store.url(), Vec::new());
    identity.ready().await;
    let standalone = Standalone::start().await;
    let all = document(&standalone.client()).await;
    let whole = standalone.client().get("/events").await;
    let mut counted = 0;
    for (service, topic) in [
        (&deployment.order[0], "order"),
        (&deployment.stock[0], "item"),
        (&deployment.payment[0], "account"),
        (&identity, "identity"),
    ] {
        let client = Client::of_one_origin(&service.origin());
        let own = document(&client).await;
        let channels: Vec<&String> = own["channels"].as_object().expect("channels").keys().collect();
        assert_eq!(channels, [topic]);
        let named = format!("/asyncapi/{}.json", service.name());
        assert_eq!(
            client.get(&named).await.json(),
            own,
            "it is where the gateway has it as well"
        );
        let page = client.get("/events").await;
        assert_eq!(
            (page.status, page.content_type.as_str()),
            (200, "text/html; charset=utf-8")
        );
        assert!(page.text.contains(&format!("href=\"{named}\"")), "{}", page.text);
        for (name, message) in own["components"]["messages"].as_object().expect("messages") {
            assert_eq!(*message, all["components"]["messages"][name]);
            let schema = schema_of(&message["examples"][0]["payload"], &client).await;
            assert_eq!(schema, own["components"]["schemas"][name]);
            let (id, says) = (
                format!("id=\"{name}\""),
                message["summary"].as_str().expect("a sentence"),
            );
            for page in [&page, &whole] {
                assert!(page.text.contains(&id), "{name}");
                // What stands between backticks is marked there.
                assert!(says.split('`').all(|part| page.text.contains(part)), "{name}: {says}");
            }
            counted += 1;
        }
    }
    assert_eq!(
        all["components"]["messages"].as_object().map(serde_json::Map::len),
        Some(counted)
    );
    assert!(whole.text.contains("href=\"/asyncapi.json\""), "{}", whole.text);
}
