//! The credentials of the operator's backends, in memory like the keys.

use std::collections::HashMap;
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

/// All that were not revoked, by the hash of their text.
#[derive(Default)]
pub(super) struct Tokens(ArcSwap<HashMap<[u8; 32], Arc<ServiceToken>>>);

impl Tokens {
    pub(super) fn put_all(&self, rows: Vec<GateToken>) {
        let all = rows.into_iter().map(|row| (row.hash.0, Arc::new(ServiceToken { id: row.id, name: row.name })));
        self.0.store(Arc::new(all.collect()));
    }

    /// The token of this text. What a look-up in a map tells by its time is the hash of a guess, which helps nobody.
    pub(super) fn find(&self, text: &str) -> Option<Arc<ServiceToken>> {
        self.0.load().get(&SecretHash::of(text).0).cloned()
    }
}
