//! The schemas of the events as they are kept in `tests/it/schemas/`: they may grow, and nothing else. After a change on
//! purpose: `INSTA_UPDATE=always cargo xtask test -- events::`, which writes what is new, and refuses what breaks readers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use harness::{Standalone, broken};
use serde_json::Value;

use super::document;

const UPDATE: &str = "`INSTA_UPDATE=always cargo xtask test -- events::` writes it";

/// What becomes of the file of one schema.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// It is as it should be.
    None,
    /// It is to be written: the schema is new, or has grown.
    Write,
    /// It cannot stay, and must not change: readers rely on it.
    Broken(Vec<String>),
}

/// What became of a schema since it was kept. Without a newer one, its type is gone.
fn change(kept: Option<&Value>, newer: Option<&Value>) -> Change {
    match (kept, newer) {
        (Some(kept), Some(newer)) if kept == newer => Change::None,
        (Some(kept), Some(newer)) => match broken(kept, newer) {
            found if found.is_empty() => Change::Write,
            found => Change::Broken(found),
        },
        (None, _) => Change::Write,
        (Some(_), None) => Change::Broken(vec!["no service announces it any more".to_owned()]),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/schemas")
}

fn kept() -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder())
        .into_iter()
        .flatten()
        .map(|file| file.expect("a file").path());
    let schema = |path: PathBuf| {
        let name = path.file_stem()?.to_str()?.to_owned();
        Some((name, serde_json::from_slice(&fs::read(path).ok()?).expect("JSON")))
    };
    files.filter_map(schema).collect()
}

fn write(name: &str, schema: &Value) {
    fs::create_dir_all(folder()).expect("the folder");
    let text = serde_json::to_string_pretty(schema).expect("JSON");
    fs::write(folder().join(format!("{name}.json")), text + "\n").expect("the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_only_grows_and_is_kept() {
    let standalone = Standalone::start().await;
    let document = document(&standalone.client()).await;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let kept = kept();
    let updates = std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always");
    let names: BTreeSet<&String> = kept.keys().chain(schemas.keys()).collect();
    let mut wrong = Vec::new();
    for name in names {
        let newer = schemas.get(name);
        match (change(kept.get(name), newer), newer) {
            (Change::Write, Some(schema)) if updates => write(name, schema),
            (Change::Write, _) => wrong.push(format!("{name} is new or has grown: {UPDATE}")),
            (Change::Broken(found), _) => {
                wrong.extend(found.iter().map(|found| format!("{name} breaks its readers: {found}")));
            }
            (Change::None, _) => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nsee CONTRIBUTING.md, Adding an event",
        wrong.join("\n")
    );
}

#[test]
fn a_schema_that_is_new_or_has_grown_is_written_and_one_that_breaks_or_is_gone_is_not() {
    let schema = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let (kept, grown) = (
        schema(r#"{"properties":{"a":{}}}"#),
        schema(r#"{"properties":{"a":{},"b":{}}}"#),
    );
    assert_eq!(change(Some(&kept), Some(&kept)), Change::None);
    assert_eq!(change(Some(&kept), Some(&grown)), Change::Write);
    assert_eq!(change(None, Some(&kept)), Change::Write);
    assert!(matches!(change(Some(&grown), Some(&kept)), Change::Broken(_)));
    assert!(matches!(change(Some(&kept), None), Change::Broken(_)));
}
