use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::{LEEWAY, MAX_TOKEN_BYTES};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn user() -> User {
    User {
        user_id: UserId::numbered(7),
        session_id: SessionId::numbered(3),
        roles: BTreeSet::from([Role::Customer]),
    }
}

fn key() -> (SigningKey, KeySet) {
    let key = SigningKey::generate().expect("a key");
    let keys = [key.public().clone()].into_iter().collect();
    (key, keys)
}

fn after(time: Duration) -> Timestamp {
    NOW.after(time)
}

/// A token whose claims are as `change` makes them, signed all the same.
fn changed(key: &SigningKey, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = serde_json::to_value(AccessToken::new(&user(), NOW)).expect("claims");
    change(&mut claims);
    jwt::sign(TYPE, &claims, key).expect("a token")
}

/// A header and claims of anybody's choice, with a signature that is none.
fn forged(header: &Value, claims: &AccessToken) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = serde_json::to_value(claims).expect("claims");
    format!("{}.{}.", part(header), part(&claims))
}

#[test]
fn a_token_says_who_its_user_is_until_it_expires() {
    let (key, keys) = key();
    let token = AccessToken::new(&user(), NOW).sign(&key).expect("a token");
    let verify = |now| AccessToken::verify(&token, &keys, now);
    assert_eq!(verify(NOW), Ok(user()));
    assert_eq!(verify(after(ACCESS_TOKEN_LIFETIME)), Ok(user()));
    assert_eq!(verify(after(ACCESS_TOKEN_LIFETIME + LEEWAY)), Err(TokenError::Expired));
    assert_eq!(verify(NOW.before(LEEWAY)), Ok(user()));
    let early = NOW.before(LEEWAY + Duration::from_secs(1));
    assert_eq!(verify(early), Err(TokenError::NotYetValid));
}

#[test]
fn a_token_without_an_algorithm_is_refused() {
    let (key, keys) = key();
    for none in ["none", "None", "NONE", ""] {
        let header = json!({ "alg": none, "typ": TYPE, "kid": key.public().kid() });
        let token = forged(&header, &AccessToken::new(&user(), NOW));
        assert!(AccessToken::verify(&token, &keys, NOW).is_err(), "{none:?}");
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_shared_secret() {
    let (key, keys) = key();
    let x = URL_SAFE_NO_PAD.decode(key.public().jwk().x).expect("a key");
    let pem = key.public().to_pem().expect("a PEM");
    for secret in [x.as_slice(), pem.as_bytes()] {
        let header = Header {
            typ: Some(TYPE.into()),
            kid: Some(key.public().kid().into()),
            ..Header::new(Algorithm::HS256)
        };
        let secret = EncodingKey::from_secret(secret).expect("a secret");
        let token = encode(&header, &AccessToken::new(&user(), NOW), &secret).expect("a token");
        assert_eq!(AccessToken::verify(&token, &keys, NOW), Err(TokenError::WrongAlgorithm));
    }
}

#[test]
fn a_token_of_another_key_is_refused_even_under_the_right_name() {
    let ((key, keys), (other, _)) = (key(), key());
    let token = AccessToken::new(&user(), NOW).sign(&other).expect("a token");
    assert_eq!(AccessToken::verify(&token, &keys, NOW), Err(TokenError::UnknownKey));
    let header = Header {
        typ: Some(TYPE.into()),
        kid: Some(key.public().kid().into()),
        ..Header::new(Algorithm::EdDSA)
    };
    let token = encode(&header, &AccessToken::new(&user(), NOW), other.encoding()).expect("a token");
    assert_eq!(AccessToken::verify(&token, &keys, NOW), Err(TokenError::WrongSignature));
}

#[test]
fn a_token_of_a_deleted_key_is_refused() {
    let (key, _) = key();
    let token = AccessToken::new(&user(), NOW).sign(&key).expect("a token");
    let without = KeySet::default();
    assert_eq!(AccessToken::verify(&token, &without, NOW), Err(TokenError::UnknownKey));
}

#[test]
fn tokens_of_the_old_key_and_the_new_one_are_both_taken_while_they_overlap() {
    let ((old, _), (new, _)) = (key(), key());
    let both: KeySet = [old.public().clone(), new.public().clone()].into_iter().collect();
    for key in [old, new] {
        let token = AccessToken::new(&user(), NOW).sign(&key).expect("a token");
        assert_eq!(AccessToken::verify(&token, &both, NOW), Ok(user()));
    }
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let (key, keys) = key();
    let refused = |change: fn(&mut Value)| AccessToken::verify(&changed(&key, change), &keys, NOW).err();
    assert_eq!(
        refused(|claims| claims["aud"] = "another-shop".into()),
        Some(TokenError::WrongAudience)
    );
    assert_eq!(
        refused(|claims| claims["iss"] = "another-issuer".into()),
        Some(TokenError::WrongIssuer)
    );
    for claim in ["aud", "iss", "exp", "nbf", "sub", "sid", "roles"] {
        let token = changed(&key, |claims| {
            claims.as_object_mut().expect("claims").remove(claim);
        });
        assert!(AccessToken::verify(&token, &keys, NOW).is_err(), "without {claim}");
    }
}

#[test]
fn a_token_that_lasts_longer_than_any_of_ours_is_refused() {
    let (key, keys) = key();
    let token = changed(&key, |claims| claims["exp"] = u64::MAX.into());
    assert_eq!(AccessToken::verify(&token, &keys, NOW), Err(TokenError::TooLasting));
}

#[test]
fn a_token_of_another_type_is_refused() {
    let (key, keys) = key();
    for other in ["JWT", "service+jwt", ""] {
        let token = jwt::sign(other, &AccessToken::new(&user(), NOW), &key).expect("a token");
        assert_eq!(
            AccessToken::verify(&token, &keys, NOW),
            Err(TokenError::WrongType),
            "{other:?}"
        );
    }
    let token = jwt::sign("AT+JWT", &AccessToken::new(&user(), NOW), &key).expect("a token");
    assert_eq!(AccessToken::verify(&token, &keys, NOW), Ok(user()));
}

#[test]
fn a_token_that_is_cut_off_changed_or_huge_is_refused() {
    let (key, keys) = key();
    let token = AccessToken::new(&user(), NOW).sign(&key).expect("a token");
    for end in 0..token.len() {
        assert!(AccessToken::verify(&token[..end], &keys, NOW).is_err(), "{end}");
    }
    let (signed, signature) = token.rsplit_once('.').expect("a token");
    let (header, _) = signed.split_once('.').expect("a token");
    let admin = User {
        roles: BTreeSet::from([Role::Admin]),
        ..user()
    };
    let claims = serde_json::to_string(&AccessToken::new(&admin, NOW)).expect("claims");
    let raised = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims));
    assert_eq!(
        AccessToken::verify(&raised, &keys, NOW),
        Err(TokenError::WrongSignature)
    );
    let huge = "a".repeat(MAX_TOKEN_BYTES + 1);
    assert_eq!(AccessToken::verify(&huge, &keys, NOW), Err(TokenError::TooLong));
    for nonsense in ["", ".", "..", "...", "a.b.c", "é.é.é", "{}.{}.{}"] {
        assert!(AccessToken::verify(nonsense, &keys, NOW).is_err(), "{nonsense:?}");
    }
}
