//! The credentials of the operator's backends, in memory like the keys.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::db::gate_rows::GateToken;
use crate::domain::token::SecretHash;

/// A service token without its secret.
#[derive(Debug, PartialEq, Eq)]
pub struct ServiceToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
}

/// All that were not revoked, by the hash of their text and in its order.
#[derive(Default)]
pub(super) struct Tokens(ArcSwap<Vec<([u8; 32], Arc<ServiceToken>)>>);

impl Tokens {
    pub(super) fn put_all(&self, rows: Vec<GateToken>) {
        let all = rows.into_iter().map(|row| (row.hash.0, Arc::new(ServiceToken { id: row.id, name: row.name })));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|(hash, _)| *hash);
        self.0.store(Arc::new(all));
    }

    /// The token of this text. What the search tells by its time is the hash of a guess, which helps nobody.
    pub(super) fn find(&self, text: &str) -> Option<Arc<ServiceToken>> {
        let (all, presented) = (self.0.load(), SecretHash::of(text).0);
        let at = all.binary_search_by_key(&presented, |(hash, _)| *hash).ok()?;
        all.get(at).map(|(_, token)| token.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_many_is_found_and_nothing_else() {
        let tokens = Tokens::default();
        assert_eq!(tokens.find("krs_0"), None);
        let texts: Vec<String> = (0..50).map(|number| format!("krs_{number}")).collect();
        let row = |text: &String| GateToken { id: text.clone(), name: String::new(), hash: SecretHash::of(text) };
        tokens.put_all(texts.iter().map(row).collect());
        for text in &texts {
            assert_eq!(tokens.find(text).unwrap().id, *text);
        }
        tokens.put_all(texts[1..].iter().map(row).collect());
        assert!(["krs_0", "krs_50", "krs_", ""].iter().all(|text| tokens.find(text).is_none()));
        assert!(tokens.find("krs_1").is_some());
    }
}
