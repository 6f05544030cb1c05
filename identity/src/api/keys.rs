use domain::{KeyId, Timestamp};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use principals::{Principal, Scope, Scopes, needs};
use serde::Deserialize;
use web::{Caller, Created, JsonBody, Param};

use super::{Answer, Tag};
use crate::{
    listing::DEFAULT_LIMIT,
    problems::{CreateKeyProblems, GetKeyProblems, JwksProblems, ListProblems, Refusal, RevokeKeyProblems},
    record::KeyRecord,
    service::{Identity, NewKey},
};

/// How long a key's name may be, in characters.
const MAX_NAME: usize = 100;

/// A key to be made.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct KeyRequest {
    /// What people call it, in up to 100 characters.
    name: String,
    /// What it may do. A caller can give only what the caller has.
    scopes: Vec<Param<Scope>>,
}

impl Example for KeyRequest {
    fn example() -> Self {
        Self {
            name: "the warehouse".into(),
            scopes: vec![Param(Scope::StockWrite)],
        }
    }
}

/// An API key, without its secret.
#[derive(Object)]
#[expect(
    clippy::struct_field_names,
    reason = "clients read the id under the name that it has everywhere"
)]
struct Key {
    /// The key's id, with which its text begins: `hf_sk_<key_id>_`.
    key_id: String,
    /// What people call it.
    name: String,
    /// What it may do.
    scopes: Vec<String>,
    /// Who has made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// Since when it is good for nothing.
    revoked_at: Option<String>,
}

impl Key {
    fn new(key_id: String, record: &KeyRecord) -> Self {
        Self {
            key_id,
            name: record.name.clone(),
            scopes: record.scopes.iter().map(|scope| scope.to_string()).collect(),
            created_by: record.created_by.clone(),
            created_at: record.created_at.to_rfc3339(),
            revoked_at: record.revoked_at.map(Timestamp::to_rfc3339),
        }
    }
}

/// A new API key.
#[derive(Object)]
struct NewApiKey {
    /// What calls present: `Authorization: Bearer <secret>`. It is told this once, and kept by nobody.
    secret: String,
    /// The key.
    key: Key,
}

/// A part of the list of API keys.
#[derive(Object)]
struct KeyList {
    /// The keys, newest first.
    data: Vec<Key>,
    /// What to give as `cursor` for the next part; none at the end.
    next_cursor: Option<String>,
}

/// The public half of a key that signs access tokens (RFC 7517, RFC 8037).
#[derive(Object)]
struct SigningKey {
    /// The kind of key: OKP.
    kty: String,
    /// The curve: Ed25519.
    crv: String,
    /// The key, in base64url.
    x: String,
    /// Its name: the RFC 7638 thumbprint.
    kid: String,
    /// The algorithm: EdDSA.
    alg: String,
    /// What it is for: sig.
    r#use: String,
}

/// The keys that access tokens may be signed with.
#[derive(Object)]
struct SigningKeys {
    /// The keys.
    keys: Vec<SigningKey>,
}

/// Serves keys.
pub struct KeysApi(pub(crate) Identity);

#[expect(clippy::unused_async, reason = "operations are async, whether or not they wait")]
#[OpenApi(tag = "Tag::Keys")]
impl KeysApi {
    /// Create an API key
    #[oai(path = "/v1/api_keys", method = "post", operation_id = "createApiKey")]
    async fn create(
        &self,
        caller: Caller<needs::KeysWrite>,
        body: JsonBody<KeyRequest>,
    ) -> Answer<Created<NewApiKey>, CreateKeyProblems> {
        let JsonBody(KeyRequest { name, scopes }) = body;
        if name.trim().is_empty() || name.chars().count() > MAX_NAME {
            return Err(Refusal::Malformed("the body's name: it has 1 to 100 characters").into());
        }
        let scopes = grantable(&caller, scopes.into_iter().map(Param::get))?;
        let by = caller.to_string();
        let (api_key, record) = self.0.create_key(NewKey { name, scopes, by }).await?;
        let key_id = api_key.key_id().to_string();
        Ok(Created {
            location: format!("/v1/api_keys/{key_id}"),
            created: NewApiKey {
                secret: api_key.reveal(),
                key: Key::new(key_id, &record),
            },
        })
    }

    /// List API keys
    #[oai(path = "/v1/api_keys", method = "get", operation_id = "listApiKeys")]
    async fn list(
        &self,
        _caller: Caller<needs::KeysRead>,
        /// How many keys at most, 1 to 100.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<usize>>,
        /// The `next_cursor` of an earlier answer.
        cursor: Query<Option<String>>,
    ) -> Answer<Json<KeyList>, ListProblems> {
        let after = cursor.0.as_deref().map(str::parse).transpose()?;
        let page = self
            .0
            .api_keys(after.as_ref(), limit.0.unwrap_or(DEFAULT_LIMIT))
            .await?;
        let data = page.records.into_iter().map(|(id, record)| Key::new(id, &record));
        Ok(Json(KeyList {
            data: data.collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        }))
    }

    /// Look an API key up
    #[oai(path = "/v1/api_keys/:key_id", method = "get", operation_id = "getApiKey")]
    async fn get(
        &self,
        _caller: Caller<needs::KeysRead>,
        /// The key's id.
        key_id: Path<Param<KeyId>>,
    ) -> Answer<Json<Key>, GetKeyProblems> {
        let record = self.0.api_key(&key_id).await??;
        Ok(Json(Key::new(key_id.to_string(), &record)))
    }

    /// Revoke an API key
    ///
    /// After five seconds at most it has no effect anywhere. Repeating it changes nothing.
    #[oai(path = "/v1/api_keys/:key_id/revoke", method = "post", operation_id = "revokeApiKey")]
    async fn revoke(
        &self,
        caller: Caller<needs::KeysWrite>,
        /// The key's id.
        key_id: Path<Param<KeyId>>,
    ) -> Answer<Json<Key>, RevokeKeyProblems> {
        let record = self.0.revoke_key(&key_id, caller.to_string()).await??;
        Ok(Json(Key::new(key_id.to_string(), &record)))
    }

    /// The keys that sign access tokens
    ///
    /// A JWKS document. A new key stands in it before it signs, and an old one until its last token is over.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "getJwks")]
    async fn jwks(&self) -> Answer<Json<SigningKeys>, JwksProblems> {
        let keys = self.0.snapshot()?.document.jwks.keys.clone();
        let keys = keys.into_iter().map(|key| SigningKey {
            kty: key.kty,
            crv: key.crv,
            x: key.x,
            kid: key.kid,
            alg: key.alg,
            r#use: key.r#use,
        });
        Ok(Json(SigningKeys { keys: keys.collect() }))
    }
}

/// The scopes, if the caller has each of them.
fn grantable(caller: &Principal, scopes: impl Iterator<Item = Scope>) -> Result<Scopes, Refusal> {
    scopes
        .map(|scope| caller.may(scope).then_some(scope).ok_or(Refusal::ScopeNotHeld(scope)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gives_a_scope_that_nobody_gave_them() {
        let caller = Principal::ApiKey {
            key_id: KeyId::numbered(1),
            scopes: [Scope::KeysWrite, Scope::OrdersWrite].into_iter().collect(),
        };
        let given = grantable(&caller, [Scope::OrdersRead, Scope::KeysRead].into_iter());
        assert!(given.is_ok());
        let refused = grantable(&caller, [Scope::OrdersRead, Scope::UsersWrite].into_iter());
        assert_eq!(refused, Err(Refusal::ScopeNotHeld(Scope::UsersWrite)));
    }
}
