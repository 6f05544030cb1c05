use std::collections::BTreeMap;

use domain::{Credits, ItemId, Quantity, UserId};
use serde::{Deserialize, Serialize};

/// What a saga is about, in short: who pays, how many pieces of which items, and how much for them together.
///
/// A saga's name is `<order_id>.<attempt>`. If order's store loses writes that it has answered, the same name comes
/// twice, and it may be for something else. So every request tells the fingerprint, a hold keeps it, and what is held
/// under the name for something else is neither taken for granted nor given back. For the same thing the repeat heals
/// the loss: it finds what is held already.
///
/// An accident goes unseen once in 2^32 times; nobody is kept from forging it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// The fingerprint of these contents: who pays, what for, and how much. Several lines of one item count as their sum,
    /// in any order.
    #[must_use]
    pub fn new<'a>(user_id: &UserId, lines: impl IntoIterator<Item = (&'a ItemId, Quantity)>, total: Credits) -> Self {
        let mut pieces: BTreeMap<&str, i64> = BTreeMap::new();
        for (item_id, quantity) in lines {
            let sum = pieces.entry(item_id.as_str()).or_default();
            *sum = sum.wrapping_add(quantity.get());
        }
        let mut hash = Fnv::default();
        hash.add(user_id.as_str(), total.get());
        for (item_id, quantity) in pieces {
            hash.add(item_id, quantity);
        }
        Self(hash.0)
    }
}

/// FNV-1a with 32 bits, which stays the same in every build, as the standard library's hashes need not.
///
/// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    /// Adds a name and a number. No id holds the byte that ends one.
    fn add(&mut self, name: &str, number: i64) {
        for byte in name.bytes().chain([0]).chain(number.to_le_bytes()) {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(user: u32, lines: &[(u32, u32)], total: u32) -> Fingerprint {
        let lines: Vec<_> = lines
            .iter()
            .map(|(item, quantity)| (ItemId::numbered(*item), Quantity::from(*quantity)))
            .collect();
        let lines = lines.iter().map(|(item_id, quantity)| (item_id, *quantity));
        Fingerprint::new(&UserId::numbered(user), lines, Credits::from(total))
    }

    #[test]
    fn a_fingerprint_tells_what_a_saga_is_about_and_not_how_its_lines_are_written() {
        let first = fingerprint(1, &[(1, 2), (2, 3)], 9);
        assert_eq!(first, fingerprint(1, &[(2, 3), (1, 1), (1, 1)], 9));
        let others = [
            fingerprint(2, &[(1, 2), (2, 3)], 9),
            fingerprint(1, &[(1, 3), (2, 2)], 9),
            fingerprint(1, &[(1, 2), (3, 3)], 9),
            fingerprint(1, &[(1, 2)], 9),
            fingerprint(1, &[(1, 2), (2, 3)], 8),
        ];
        assert!(others.iter().all(|other| *other != first), "{others:?}");
        // It is kept in records, so no build may change it.
        assert_eq!(
            serde_json::to_string(&fingerprint(1, &[(1, 2)], 9)).ok().as_deref(),
            Some("1056814")
        );
    }
}
