//! Passwords: which may be chosen, and how they are hashed and compared.
//!
//! Hashing is slow and takes 19 MiB on purpose, so only so many run at once, and only so many wait; one more hears at once that it is too
//! much. A password is compared for every login, known or unknown, so neither the answer nor its time tells whether an
//! address is known.
//!
//! Sources: OWASP Password Storage Cheat Sheet; ASVS 5, 6.2 and 6.3.8.

mod rules;

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use engine::EngineError;
use tokio::sync::Semaphore;

pub use self::rules::{BadPassword, Password};

/// OWASP's parameters: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How many may wait for their turn, for each that runs.
const WAITING_PER_RUNNING: usize = 32;

/// Hashes and compares passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// What an unknown user's password is compared with.
    dummy: Arc<str>,
}

/// What a comparison has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is another password, or there is no such user.
    Different,
    /// It is the password.
    Same {
        /// Its hash by today's parameters, if the stored one is by others.
        rehashed: Option<String>,
    },
}

impl Passwords {
    /// Runs as many at once as there are processors.
    ///
    /// # Errors
    /// The parameters are refused.
    pub(crate) fn new() -> Result<Self, argon2::password_hash::Error> {
        let running = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            running: Arc::new(Semaphore::new(running)),
            admitted: Arc::new(Semaphore::new(running * (1 + WAITING_PER_RUNNING))),
            dummy: hash(&rand::random::<[u8; 16]>())?.into(),
        })
    }

    /// A password's hash.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] if too many wait already.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, EngineError> {
        self.run(move || hash(password.as_bytes())).await
    }

    /// Whether a password is the one with this hash. Without a hash the same work is done in vain.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] if too many wait already.
    pub(crate) async fn compare(&self, password: Password, with: Option<String>) -> Result<Compared, EngineError> {
        let (is_known, with) = match with {
            Some(hash) => (true, hash),
            None => (false, self.dummy.to_string()),
        };
        self.run(move || {
            let stored = PasswordHash::new(&with)?;
            let is_same = argon2()?.verify_password(password.as_bytes(), &stored).is_ok();
            if !is_same || !is_known {
                return Ok(Compared::Different);
            }
            let rehashed = is_outdated(&stored).then(|| hash(password.as_bytes())).transpose()?;
            Ok(Compared::Same { rehashed })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    ) -> Result<T, EngineError> {
        let _admitted = self.admitted.try_acquire().map_err(|_| EngineError::Overloaded)?;
        let running = self.running.clone().acquire_owned().await;
        let running = running.map_err(|_| EngineError::Stopped)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Given back when the work ends, not when its caller has gone away: the memory is in use until then.
            drop(running);
            done
        });
        done.await
            .map_err(|broken| EngineError::Bug(broken.to_string()))?
            .map_err(|error| EngineError::Bug(error.to_string()))
    }
}

fn argon2() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    let salt: [u8; 16] = rand::random();
    Ok(argon2()?.hash_password_with_salt(password, &salt)?.to_string())
}

fn is_outdated(stored: &PasswordHash) -> bool {
    let is_same = |params: Params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
            && stored.algorithm.as_str() == Algorithm::Argon2id.as_str()
    };
    !Params::try_from(stored).is_ok_and(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        text.parse().expect("a password")
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_an_unknown_user_has_none() {
        let passwords = Passwords::new().expect("passwords");
        let hash = passwords.hash(password("correct horse")).await.expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let same = passwords.compare(password("correct horse"), Some(hash.clone())).await;
        assert_eq!(same.expect("an answer"), Compared::Same { rehashed: None });
        let other = passwords.compare(password("battery staple"), Some(hash)).await;
        assert_eq!(other.expect("an answer"), Compared::Different);
        let unknown = passwords.compare(password("correct horse"), None).await;
        assert_eq!(unknown.expect("an answer"), Compared::Different);
    }

    #[tokio::test]
    async fn a_hash_by_cheaper_parameters_is_made_anew_at_the_next_login() {
        let cheap = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(1_024, 1, 1, None).expect("parameters"),
        );
        let cheap: PasswordHash = cheap
            .hash_password_with_salt(b"correct horse", &[7; 16])
            .expect("a hash");
        let passwords = Passwords::new().expect("passwords");
        let compared = passwords
            .compare(password("correct horse"), Some(cheap.to_string()))
            .await;
        let Compared::Same { rehashed: Some(hash) } = compared.expect("an answer") else {
            unreachable!("an outdated hash is made anew");
        };
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[tokio::test]
    async fn more_than_may_wait_hear_it_at_once() {
        let passwords = Passwords::new().expect("passwords");
        let all = u32::try_from(passwords.admitted.available_permits()).expect("a small number");
        let _held = passwords
            .admitted
            .clone()
            .acquire_many_owned(all)
            .await
            .expect("permits");
        let refused = passwords.hash(password("correct horse")).await;
        assert!(matches!(refused, Err(EngineError::Overloaded)));
    }
}
