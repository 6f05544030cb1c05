use std::{collections::BTreeSet, time::Duration};

use domain::{KeyId, SessionId, Timestamp, UserId};
use engine::{Simulation, keys::Partitions};
use principals::{ACCESS_TOKEN_LIFETIME, ApiKey, Role, Scopes, SigningKey};

use super::{rotate_keys::KEY_OVERLAP, *};
use crate::{
    email::Email,
    keys::Keys,
    problems::Refusal,
    record::{MAX_SESSIONS, ROTATION_GRACE, SESSION_LIFETIME, User},
    tokens::{Nonce, RefreshToken, Secret},
};

const PASSWORD: &str = "the hash of a password";

/// A store with one verified user.
struct Shop {
    store: Simulation,
    keys: Partitions,
    now: Timestamp,
    user_id: UserId,
}

impl Shop {
    fn new() -> Self {
        let mut shop = Self {
            store: Simulation::default(),
            keys: Partitions::new(4).expect("an allowed count"),
            now: Timestamp::from_millis(1_800_000_000_000),
            user_id: UserId::numbered(0),
        };
        shop.store.set_clock(shop.now);
        shop.user_id = shop.register("ann@shop.example", None).expect("a new user");
        shop
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.store.set_clock(self.now);
    }

    fn run<C: engine::Command>(&mut self, command: &C) -> C::Outcome {
        self.store.run(command).expect("a decision")
    }

    fn register(&mut self, email: &str, verification: Option<Secret>) -> Option<UserId> {
        let email: Email = email.parse().expect("an address");
        let address = self.keys.address(&email);
        let partition = address.partition();
        let user_id = self.keys.generate_in(partition, UserId::generate);
        let register = Register {
            address,
            user: self.keys.user(&user_id),
            users: self.keys.users(partition),
            unopened: self.keys.unopened(partition),
            user_id: user_id.clone(),
            email,
            password: PASSWORD.into(),
            roles: BTreeSet::from([Role::Customer]),
            verification,
        };
        self.run(&register).then_some(user_id)
    }

    fn try_log_in(&mut self, compared: &str) -> Result<RefreshToken, Refusal> {
        let (family, secret, user) = (Secret::generate(), Secret::generate(), self.keys.user(&self.user_id));
        let token = RefreshToken {
            user_id: self.user_id.clone(),
            session_id: SessionId::generate(),
            family,
            secret,
        };
        let log_in = LogIn {
            revoked: self.keys.revoked(user.partition()),
            user,
            compared: compared.into(),
            rehashed: None,
            session_id: token.session_id.clone(),
            family,
            secret,
        };
        self.run(&log_in).map(|_| token)
    }

    fn log_in(&mut self) -> RefreshToken {
        self.try_log_in(PASSWORD).expect("a session")
    }

    fn refresh(&mut self, token: &RefreshToken) -> Result<RefreshToken, Refusal> {
        let user = self.keys.user(&token.user_id);
        let refresh = Refresh {
            revoked: self.keys.revoked(user.partition()),
            user,
            token: token.clone(),
            nonce: Nonce::generate(),
        };
        let secret = self.run(&refresh)?.secret;
        Ok(RefreshToken {
            secret,
            ..token.clone()
        })
    }

    fn user(&self) -> User {
        let user = self.store.record(&self.keys.user(&self.user_id));
        user.expect("a readable record").expect("a user")
    }

    fn is_listed(&self, member: &str) -> bool {
        self.store.members().any(|listed| listed == member)
    }

    fn event_types(&self) -> Vec<&str> {
        self.store
            .events()
            .iter()
            .filter_map(|event| event["type"].as_str())
            .collect()
    }
}

#[test]
fn a_refresh_token_is_good_for_one_successor_after_another() {
    let mut shop = Shop::new();
    let first = shop.log_in();
    let second = shop.refresh(&first).expect("a successor");
    let third = shop.refresh(&second).expect("a successor");
    assert!(first != second && second != third);
    assert!(shop.refresh(&third).is_ok());
}

#[test]
fn the_last_token_gives_the_same_successor_for_some_seconds() {
    let mut shop = Shop::new();
    let first = shop.log_in();
    let second = shop.refresh(&first).expect("a successor");
    shop.pass(ROTATION_GRACE);
    let before = shop.store.clone();
    assert_eq!(shop.refresh(&first), Ok(second.clone()));
    assert_eq!(shop.store, before);
    assert!(shop.refresh(&second).is_ok());
}

#[test]
fn an_old_token_ends_its_session() {
    let mut shop = Shop::new();
    let (first, other) = (shop.log_in(), shop.log_in());
    let second = shop.refresh(&first).expect("a successor");
    let third = shop.refresh(&second).expect("a successor");
    // It is not the last one, so no grace is given, however soon it comes.
    assert_eq!(shop.refresh(&first), Err(Refusal::BadRefreshToken));
    assert_eq!(shop.refresh(&third), Err(Refusal::BadRefreshToken));
    assert!(shop.is_listed(first.session_id.as_str()));
    assert!(shop.refresh(&other).is_ok(), "another session of the same user goes on");
}

#[test]
fn the_last_token_ends_its_session_when_the_grace_is_over() {
    let mut shop = Shop::new();
    let first = shop.log_in();
    let second = shop.refresh(&first).expect("a successor");
    shop.pass(ROTATION_GRACE + Duration::from_millis(1));
    assert_eq!(shop.refresh(&first), Err(Refusal::BadRefreshToken));
    assert_eq!(shop.refresh(&second), Err(Refusal::BadRefreshToken));
}

#[test]
fn an_invented_token_ends_nobodys_session() {
    let mut shop = Shop::new();
    let token = shop.log_in();
    let invented = RefreshToken {
        family: Secret::generate(),
        secret: Secret::generate(),
        ..token.clone()
    };
    let before = shop.store.clone();
    assert_eq!(shop.refresh(&invented), Err(Refusal::BadRefreshToken));
    assert_eq!(shop.store, before);
    assert!(shop.refresh(&token).is_ok());
}

#[test]
fn a_session_ends_thirty_days_after_its_login_however_it_is_used() {
    let mut shop = Shop::new();
    let mut token = shop.log_in();
    for _ in 0..3 {
        shop.pass(SESSION_LIFETIME / 4);
        token = shop.refresh(&token).expect("a successor");
    }
    shop.pass(SESSION_LIFETIME / 4);
    assert_eq!(shop.refresh(&token), Err(Refusal::BadRefreshToken));
}

#[test]
fn an_address_has_one_user_and_its_owner_is_told_of_another_try() {
    let mut shop = Shop::new();
    let before = shop.user();
    assert_eq!(shop.register("Ann@Shop.Example", Some(Secret::generate())), None);
    assert_eq!(shop.user(), before);
    assert_eq!(shop.event_types(), ["user.verified", "address.registered_again"]);
}

#[test]
fn nobody_logs_in_before_the_address_is_verified_by_its_mail_once() {
    let mut shop = Shop::new();
    let secret = Secret::generate();
    shop.user_id = shop.register("bob@shop.example", Some(secret)).expect("a new user");
    assert_eq!(shop.try_log_in(PASSWORD).err(), Some(Refusal::NotVerified));
    let verify = |secret| Verify {
        user: shop.keys.user(&shop.user_id),
        secret,
    };
    let (wrong, right) = (verify(Secret::generate()), verify(secret));
    assert_eq!(shop.run(&wrong), Err(Refusal::BadToken));
    assert_eq!(shop.run(&right), Ok(()));
    assert_eq!(shop.run(&right), Err(Refusal::BadToken));
    assert!(shop.try_log_in(PASSWORD).is_ok());
}

#[test]
fn a_password_that_was_changed_since_it_was_compared_lets_nobody_in() {
    let mut shop = Shop::new();
    assert_eq!(
        shop.try_log_in("the hash of an older one").err(),
        Some(Refusal::WrongCredentials)
    );
    assert!(shop.user().sessions.is_empty());
}

#[test]
fn one_session_too_many_ends_the_oldest() {
    let mut shop = Shop::new();
    let tokens: Vec<RefreshToken> = (0..=MAX_SESSIONS).map(|_| shop.log_in()).collect();
    assert_eq!(shop.user().sessions.len(), MAX_SESSIONS);
    assert_eq!(shop.refresh(&tokens[0]), Err(Refusal::BadRefreshToken));
    assert!(shop.is_listed(tokens[0].session_id.as_str()));
    assert!(shop.refresh(&tokens[1]).is_ok());
}

#[test]
fn logging_out_ends_one_session_or_all_and_repeats() {
    let mut shop = Shop::new();
    let (one, other) = (shop.log_in(), shop.log_in());
    let user = shop.keys.user(&shop.user_id);
    let log_out = |which| LogOut {
        revoked: shop.keys.revoked(user.partition()),
        user: user.clone(),
        which,
    };
    let (of_one, all) = (log_out(Which::Of(one.clone())), log_out(Which::All));
    shop.run(&of_one);
    let before = shop.store.clone();
    shop.run(&of_one);
    assert_eq!(shop.store, before);
    assert_eq!(shop.refresh(&one), Err(Refusal::BadRefreshToken));
    let other = shop.refresh(&other).expect("a successor");
    shop.run(&all);
    assert_eq!(shop.refresh(&other), Err(Refusal::BadRefreshToken));
    assert!(shop.is_listed(one.session_id.as_str()) && shop.is_listed(other.session_id.as_str()));
}

#[test]
fn a_mail_resets_the_password_once_in_time_and_ends_all_sessions() {
    let mut shop = Shop::new();
    let (token, secret, late) = (shop.log_in(), Secret::generate(), Secret::generate());
    let user = shop.keys.user(&shop.user_id);
    let request = |secret| RequestReset {
        user: user.clone(),
        user_id: shop.user_id.clone(),
        secret,
    };
    let reset = |secret| ResetPassword {
        revoked: shop.keys.revoked(user.partition()),
        user: user.clone(),
        secret,
        password: "the hash of another password".into(),
    };
    let (request_late, reset_late) = (request(late), reset(late));
    let (request, reset) = (request(secret), reset(secret));
    shop.run(&request_late);
    shop.pass(Duration::from_secs(60 * 60));
    assert_eq!(shop.run(&reset_late), Err(Refusal::BadToken));
    shop.run(&request);
    assert_eq!(shop.run(&reset), Ok(()));
    assert_eq!(shop.run(&reset), Err(Refusal::BadToken));
    assert_eq!(shop.user().password, "the hash of another password");
    assert_eq!(shop.refresh(&token), Err(Refusal::BadRefreshToken));
}

#[test]
fn another_password_ends_all_sessions_but_the_one_that_asks() {
    let mut shop = Shop::new();
    let (asks, other) = (shop.log_in(), shop.log_in());
    let user = shop.keys.user(&shop.user_id);
    let change = ChangePassword {
        revoked: shop.keys.revoked(user.partition()),
        user,
        compared: PASSWORD.into(),
        password: "the hash of another password".into(),
        stays: asks.session_id.clone(),
    };
    assert_eq!(shop.run(&change), Ok(()));
    assert_eq!(shop.run(&change), Err(Refusal::WrongCredentials));
    assert!(shop.refresh(&asks).is_ok());
    assert_eq!(shop.refresh(&other), Err(Refusal::BadRefreshToken));
}

#[test]
fn other_roles_end_all_sessions_because_tokens_say_the_old_ones() {
    let mut shop = Shop::new();
    let token = shop.log_in();
    let user = shop.keys.user(&shop.user_id);
    let set_roles = SetRoles {
        revoked: shop.keys.revoked(user.partition()),
        user,
        user_id: shop.user_id.clone(),
        roles: BTreeSet::from([Role::Operator]),
        by: "user:1".into(),
    };
    assert!(shop.run(&set_roles).is_ok());
    assert!(shop.is_listed(token.session_id.as_str()));
    let before = shop.store.clone();
    assert!(shop.run(&set_roles).is_ok());
    assert_eq!(shop.store, before);
}

#[test]
fn an_api_key_is_revoked_once_and_for_good() {
    let mut shop = Shop::new();
    let api_key = ApiKey::generate(KeyId::numbered(1));
    let key = shop.keys.api_key(api_key.key_id());
    let create = CreateKey {
        api_keys: shop.keys.api_keys(key.partition()),
        key: key.clone(),
        key_id: api_key.key_id().clone(),
        name: "the warehouse".into(),
        hash: api_key.hash(),
        scopes: Scopes::all(),
        by: "user:1".into(),
    };
    shop.run(&create);
    let revoke = |key, key_id: &KeyId| RevokeKey {
        key,
        key_id: key_id.clone(),
        by: "user:2".into(),
    };
    let revoke_it = revoke(key, api_key.key_id());
    assert!(shop.run(&revoke_it).expect("a key").revoked_at.is_some());
    let before = shop.store.clone();
    shop.pass(Duration::from_secs(1));
    assert_eq!(
        shop.run(&revoke_it).expect("a key").revoked_at,
        Some(shop.now.before(Duration::from_secs(1)))
    );
    shop.store.set_clock(shop.now.before(Duration::from_secs(1)));
    assert_eq!(shop.store, before);
    let unknown = KeyId::numbered(2);
    let revoke_unknown = revoke(shop.keys.api_key(&unknown), &unknown);
    assert_eq!(shop.run(&revoke_unknown), Err(Refusal::UnknownKey(unknown)));
}

#[test]
fn a_new_signing_key_is_known_before_it_signs_and_the_old_one_until_its_last_token_is_over() {
    let mut shop = Shop::new();
    let rotate = |only_first| {
        let key = SigningKey::generate().expect("a key");
        RotateKeys {
            keys: shop.keys.signing_keys(),
            kid: key.public().kid().to_owned(),
            pem: key.to_secret_pem().expect("a PEM"),
            only_first,
        }
    };
    let (first, again, second, third) = (rotate(true), rotate(true), rotate(false), rotate(false));
    let kept = |shop: &Shop| {
        let kept = shop.store.record(&shop.keys.signing_keys());
        kept.expect("a readable record").expect("keys")
    };
    let signs = |shop: &Shop| kept(shop).signer(shop.now).map(|key| key.public().kid().to_owned());
    let known = |shop: &Shop| -> Vec<String> {
        let jwks = kept(shop).jwks(shop.now);
        jwks.keys.into_iter().map(|key| key.kid).collect()
    };
    assert_eq!(shop.run(&first), first.kid);
    assert_eq!(shop.run(&again), first.kid);
    shop.run(&second);
    assert_eq!(known(&shop), [first.kid.clone(), second.kid.clone()]);
    assert_eq!(signs(&shop).as_deref(), Some(&*first.kid));
    shop.pass(KEY_OVERLAP.saturating_sub(Duration::from_millis(1)));
    assert_eq!(signs(&shop).as_deref(), Some(&*first.kid));
    shop.pass(Duration::from_millis(1));
    assert_eq!(signs(&shop).as_deref(), Some(&*second.kid));
    shop.pass(ACCESS_TOKEN_LIFETIME);
    assert_eq!(known(&shop).len(), 2);
    shop.pass(Duration::from_secs(60));
    assert_eq!(known(&shop), std::slice::from_ref(&second.kid));
    shop.run(&third);
    assert_eq!(kept(&shop).keys.len(), 2, "a key that nobody needs is forgotten");
}
