//! What people and their tools read, as it is kept in `snapshots/`: a change of it is seen in review. After a change on
//! purpose: `INSTA_UPDATE=always cargo xtask test -- outputs::`.

use std::process::Command;

use harness::{Standalone, binary};

/// What a program prints, with nothing of this machine's settings in it.
fn printed(name: &str, arguments: &[&str]) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let output = Command::new(binary(name))
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("text")
}

#[test]
fn the_help_of_each_program_is_as_kept() {
    for name in ["identity", "order", "payment", "standalone", "stock"] {
        insta::assert_snapshot!(format!("{name}_help"), printed(name, &["--help"]));
    }
    insta::assert_snapshot!("holdfast_audit_help", printed("holdfast", &["audit", "--help"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_is_as_kept() {
    let standalone = Standalone::start().await;
    let document = standalone.client().get("/openapi.json").await.json();
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).expect("JSON"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auditors_table_is_as_kept() {
    let standalone = Standalone::start().await;
    let client = standalone.client();
    for path in [
        "/stock/batch_init/3/10/5",
        "/payment/batch_init/3/100",
        "/orders/batch_init/2/3/3/5",
    ] {
        assert_eq!(client.post(path).await.status, 200, "{path}");
    }
    let audit = || {
        let data = standalone.data.path().display().to_string();
        let table = printed("holdfast", &["audit", "--data", &data]);
        // How long it took is told at the end of the last line.
        let (table, _) = table.rsplit_once(" (").expect("a time");
        table.to_owned()
    };
    insta::assert_snapshot!("audit_consistent", audit());
    let stock = standalone.store("stock");
    let item = stock.run(&["KEYS", "item:*:1"]).await;
    let off = r#"{"price":5,"balance":{"left":9,"supplied":10,"serial":0}}"#;
    stock.run(&["SET", &item, off]).await;
    insta::assert_snapshot!("audit_not_consistent", audit());
}
