//! Both ends of TLS: who is trusted, and who we are.

mod client;
mod explain;
mod own;
mod pem;
mod server;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

pub use self::{
    client::{ClientFiles, trusting_nobody},
    explain::{explain, is_about_trust},
    own::trusting_only,
    server::{ServerFiles, ServerTls},
};

/// The cryptography. ring needs a C compiler alone; aws-lc would need more tools.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
