//! `holdfast admin`: the first admin, and what to do when there is none.
//!
//! It works on identity's store, by the same commands as identity itself, whether or not identity runs. So there is no way in
//! over the network that makes an admin, and nothing to guard but the store, whose writers may do anything anyway.
//!
//! A password is read from standard input, or made; a secret is printed once. None is ever an argument: everybody on a machine sees
//! those.

use std::{collections::BTreeSet, io, path::PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use domain::{KeyId, ServiceName};
use engine::{
    EngineConfig,
    store::{RedisAccess, RedisUrl, Store, StoreConfig, claimed_partitions},
};
use identity::{Identity, NewKey, NewUser, Registration, email::Email, passwords::Password};
use principals::{ApiKey, Role, Scope};
use process::{Resources, finish};
use tokio_util::sync::CancellationToken;

/// Who does it, in events and records.
const BY: &str = "operator:holdfast-admin";

/// Where identity's store is.
#[derive(Debug, Args)]
struct IdentityStore {
    /// The data folder of a standalone.
    #[arg(long, global = true, conflicts_with = "identity_redis")]
    data: Option<PathBuf>,
    /// Identity's Redis.
    #[arg(
        long,
        env = "IDENTITY_REDIS_URL",
        hide_env_values = true,
        global = true,
        default_value = "redis://127.0.0.1:6379",
        hide_default_value = true
    )]
    identity_redis: RedisUrl,
    #[command(flatten)]
    access: RedisAccess,
}

/// What an operator does.
#[derive(Debug, Args)]
pub(crate) struct AdminOptions {
    #[command(flatten)]
    store: IdentityStore,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make a user whose address needs no mail to be verified.
    ///
    /// The password is one line of standard input.
    CreateUser {
        /// The address by which the user logs in.
        #[arg(long)]
        email: Email,
        /// What the user is: customer, operator or admin. May be given several times.
        #[arg(long = "role", default_value = "admin")]
        roles: Vec<Role>,
        /// Make the password and print it, instead of reading it.
        #[arg(long)]
        generate_password: bool,
    },
    /// Make an API key and print it, this once.
    CreateKey {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What it may do, such as orders:read. May be given several times.
        #[arg(long = "scope", required = true)]
        scopes: Vec<Scope>,
    },
    /// Revoke an API key.
    RevokeKey {
        /// The key's id: what stands between `hf_sk_` and the secret.
        key_id: KeyId,
    },
    /// Add a key that signs access tokens. It takes over in ten seconds; tokens of the old one stay valid until they expire.
    RotateKeys,
}

impl IdentityStore {
    fn config(&self) -> StoreConfig {
        let url = match &self.data {
            Some(data) => RedisUrl::from(format!("redis+unix://{}", data.join("identity/redis.sock").display())),
            None => self.identity_redis.clone(),
        };
        StoreConfig {
            access: self.access.for_url(&url),
            redis_url: url,
            ..StoreConfig::at("")
        }
    }

    /// How many partitions the store has: an operator's tool makes no store.
    async fn partitions(&self) -> anyhow::Result<u16> {
        let config = self.config();
        let at = &config.redis_url;
        let claim = Store::open(&config)?.scanner().claim().await;
        let claim = claim.with_context(|| format!("identity's store at {at}"))?;
        let Some(claim) = claim else {
            bail!("the store at {at} is nobody's yet: start identity once");
        };
        let claimed = claimed_partitions(&claim, ServiceName::Identity.as_str());
        claimed.with_context(|| format!("the store at {at} is not identity's: {claim}"))
    }
}

/// Does what was asked for.
pub(crate) async fn run(options: AdminOptions) -> anyhow::Result<()> {
    let engine = EngineConfig {
        partitions: options.store.partitions().await?,
        ..EngineConfig::default()
    };
    let (config, never) = (options.store.config(), CancellationToken::new());
    let (resources, lanes) = Resources::start(ServiceName::Identity, &config, &engine, &never).await?;
    let done = act(&Identity::on_store(resources)?, options.command).await;
    finish([lanes]).await;
    done
}

async fn act(identity: &Identity, command: AdminCommand) -> anyhow::Result<()> {
    match command {
        AdminCommand::CreateUser {
            email,
            roles,
            generate_password,
        } => create_user(identity, email, roles.into_iter().collect(), generate_password).await,
        AdminCommand::CreateKey { name, scopes } => {
            let new = NewKey {
                name,
                scopes: scopes.into_iter().collect(),
                by: BY.into(),
            };
            let (api_key, _) = identity.create_key(new).await?;
            println!("{}", api_key.reveal());
            eprintln!("This is the only time that it is shown.");
            Ok(())
        }
        AdminCommand::RevokeKey { key_id } => match identity.revoke_key(&key_id, BY.into()).await? {
            Ok(_) => {
                println!("{key_id} is revoked; after five seconds at most it has no effect anywhere");
                Ok(())
            }
            Err(_) => bail!("there is no API key {key_id}"),
        },
        AdminCommand::RotateKeys => {
            println!("{} will sign", identity.rotate_keys().await?);
            Ok(())
        }
    }
}

async fn create_user(
    identity: &Identity,
    email: Email,
    roles: BTreeSet<Role>,
    generate_password: bool,
) -> anyhow::Result<()> {
    let text = if generate_password {
        // As random as an API key's secret, which it is the digits of.
        let made = ApiKey::generate(KeyId::numbered(0)).reveal();
        made.rsplit('_').next().unwrap_or_default().to_owned()
    } else {
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .context("the password on standard input")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    let password: Password = text.parse()?;
    let new = NewUser {
        email,
        password,
        roles,
        is_verified: true,
    };
    match identity.register(new).await? {
        Ok(Registration::Registered(user_id)) => {
            println!("{user_id}");
            if generate_password {
                println!("{text}");
                eprintln!("The second line is the password. This is the only time that it is shown.");
            }
            Ok(())
        }
        Ok(Registration::Known) => bail!("the address has a user already"),
        Err(refusal) => {
            ensure!(
                !matches!(refusal, identity::Refusal::BadPassword(_)),
                "the password may not be chosen: it is too common"
            );
            bail!("refused: {refusal:?}")
        }
    }
}
