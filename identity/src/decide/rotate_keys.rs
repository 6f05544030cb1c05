use std::time::Duration;

use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::{KeptKey, SigningKeys};

/// How long a new signing key is known before it signs: every service has asked for the credentials by then, or
/// trusts none ([`principals::MAX_CREDENTIALS_AGE`]).
pub(crate) const KEY_OVERLAP: Duration = Duration::from_secs(10);

/// Adds a signing key, which takes over from the others after [`KEY_OVERLAP`]; or, if there is none, signs at once.
/// Keys whose last token is over are forgotten. The outcome is the name of the key that will sign.
#[derive(Debug)]
pub(crate) struct RotateKeys {
    pub(crate) keys: Key<SigningKeys>,
    pub(crate) kid: String,
    /// The private key.
    pub(crate) pem: String,
    /// Whether a key is wanted only if there is none.
    pub(crate) only_first: bool,
}

impl Command for RotateKeys {
    type Outcome = String;

    fn partition(&self) -> Partition {
        self.keys.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.keys);
    }

    fn decide(&self, view: &mut View) -> String {
        let (mut kept, now) = (view.get(&self.keys).cloned().unwrap_or_default(), view.now());
        if let Some(newest) = kept.keys.last().filter(|_| self.only_first) {
            return newest.kid.clone();
        }
        kept.keys.retain(|key| key.is_needed(now));
        let signs_from = if kept.keys.is_empty() {
            now
        } else {
            now.after(KEY_OVERLAP)
        };
        for key in &mut kept.keys {
            key.retired_at.get_or_insert(signs_from);
        }
        kept.keys.push(KeptKey {
            kid: self.kid.clone(),
            pem: self.pem.clone(),
            signs_from,
            retired_at: None,
        });
        view.put(&self.keys, kept);
        self.kid.clone()
    }
}
