//! `holdfast admin`.

use super::{Identity, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_is_made_with_a_password_that_is_no_argument() {
    let identity = Identity::start().await;
    let words = ["create-user", "--email", "root@shop.example"];
    let common = identity.admin(&words, "password\n");
    assert!(!common.status.success());
    assert!(
        String::from_utf8_lossy(&common.stderr).contains("too common"),
        "{common:?}"
    );
    let made = identity.admin(&words, &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{made:?}");
    let again = identity.admin(&words, &format!("{PASSWORD}\n"));
    assert!(!again.status.success());
    let (access, _) = identity.log_in("root@shop.example").await;
    assert_eq!(identity.get("/v1/users", Some(&access)).await.status, 200);
    let generated = identity.admin(
        &[
            "create-user",
            "--email",
            "op@shop.example",
            "--role",
            "operator",
            "--generate-password",
        ],
        "",
    );
    let printed = String::from_utf8_lossy(&generated.stdout).into_owned();
    let password = printed.lines().nth(1).expect("a password");
    assert_eq!(identity.try_log_in("op@shop.example", password).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_an_operator_makes_is_known_and_one_that_is_revoked_is_not() {
    let identity = Identity::start().await;
    let made = identity.admin(&["create-key", "--name", "a", "--scope", "users:read"], "");
    let key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    harness::eventually("the key is known", async || {
        (identity.get("/v1/users", Some(&key)).await.status == 200).then_some(())
    })
    .await;
    let key_id = key.trim_start_matches("hf_sk_").rsplit_once('_').expect("a key").0;
    assert!(identity.admin(&["revoke-key", key_id], "").status.success());
    identity.refuses(&key).await;
    assert!(!identity.admin(&["revoke-key", "nothing"], "").status.success());
    let wrong = identity.admin(&["create-key", "--name", "a", "--scope", "orders:delete"], "");
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("orders:read, orders:write"),
        "{wrong:?}"
    );
}
