use std::fmt;

use serde::Serialize;

macro_rules! services {
    ($($(#[$docs:meta])* $variant:ident => $name:literal,)+) => {
        /// The services of Holdfast. Each has a store of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ServiceName {
            $($(#[$docs])* $variant,)+
        }

        impl ServiceName {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in stores, metrics, logs and folders.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The service of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|service| service.as_str() == name)
            }
        }
    };
}

services! {
    /// What is bought, and the checkout.
    Order => "order",
    /// What can be sold.
    Stock => "stock",
    /// Who can pay.
    Payment => "payment",
    /// Who calls: users, their sessions, and API keys.
    Identity => "identity",
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
