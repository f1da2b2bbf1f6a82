//! What gives people and keys their rights, as lines of the revocation journal: enough to bring an old copy of the data to
//! the rights of now. Holds hashes, never a secret.

use serde::{Deserialize, Serialize};

/// The state of one thing that gives rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// A key and all its secrets.
    Key(KeyRight),
    /// Whether and as what a person belongs to an organization.
    Member {
        /// The organization.
        org: String,
        /// The person.
        user: String,
        /// Their role, and since when they belong; nothing when they do not.
        role: Option<(String, i64)>,
    },
    /// A person's way in.
    Person {
        /// The person.
        id: String,
        /// Since when the account is shut.
        disabled_at: Option<i64>,
        /// The argon2id PHC string of their password.
        password_hash: String,
    },
    /// What an organization may do.
    Org {
        /// The organization.
        id: String,
        /// The id of its plan.
        plan: String,
    },
    /// A service token that was revoked.
    ServiceToken {
        /// The token.
        id: String,
        /// When.
        revoked_at: i64,
    },
}

/// A key, as far as it gives rights. Times are microseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRight {
    /// The key.
    pub id: String,
    /// The person it acts as.
    pub owner: String,
    /// The most that it may do, or empty.
    pub role_max: String,
    /// Since when it rests.
    pub paused_at: Option<i64>,
    /// When it was revoked, by whom and why.
    pub revoked: Option<(i64, Option<String>, String)>,
    /// Its secrets, the oldest first.
    pub secrets: Vec<SecretRight>,
}

/// A secret of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRight {
    /// Its id.
    pub id: String,
    /// SHA-256, hexadecimal.
    pub hash: String,
    /// Its last four characters.
    pub last4: String,
    /// When it was made.
    pub created_at: i64,
    /// Until when it works; nothing for the current one.
    pub valid_until: Option<i64>,
}

/// One line of the journal: what changes up to `to` left behind. A piece of a longer page says that more follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The installation it tells of.
    pub of: String,
    /// The first change that it covers; 0 when it holds everything that there was.
    pub from: i64,
    /// The last change that it covers. All states are those right after it.
    pub to: i64,
    /// Whether this is the last piece of its page.
    pub end: bool,
    /// The states.
    pub rights: Vec<Right>,
}

impl Page {
    /// Whether it holds everything that there was, and what is not on it was not there.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.from == 0
    }
}

/// How far pages (first, last change) tell without a gap of what came after the change `since`.
///
/// # Errors
/// They do not reach it, or there is a gap.
pub fn covered(mut pages: Vec<(i64, i64)>, since: i64) -> Result<i64, Gap> {
    pages.sort_unstable();
    let mut reached = None;
    for (from, to) in pages {
        match reached {
            None if to < since => {}
            None if from <= since + 1 => reached = Some(to),
            Some(end) if from <= end + 1 => reached = Some(to.max(end)),
            None | Some(_) => return Err(Gap::Missing),
        }
    }
    reached.ok_or(Gap::Older)
}

/// Why a journal does not tell all that came after a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// It ends before the backup was made, or holds nothing of this installation.
    Older,
    /// A part of it is missing.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_tells_all_only_without_a_gap() {
        assert_eq!(covered(vec![], 5), Err(Gap::Older));
        assert_eq!(covered(vec![(0, 3), (4, 4)], 5), Err(Gap::Older));
        assert_eq!(covered(vec![(0, 3), (4, 5)], 5), Ok(5));
        assert_eq!(covered(vec![(4, 5), (6, 9), (7, 8), (0, 3)], 5), Ok(9));
        assert_eq!(covered(vec![(0, 3), (5, 9)], 5), Ok(9), "what is missing lies before the backup");
        assert_eq!(covered(vec![(0, 5), (7, 9)], 5), Err(Gap::Missing));
        assert_eq!(covered(vec![(7, 9)], 5), Err(Gap::Missing));
        assert_eq!(covered(vec![(7, 9), (0, 12)], 5), Ok(12), "a page that holds everything closes every gap");
    }

    #[test]
    fn a_page_survives_writing_and_reading() {
        let secret = SecretRight {
            id: "sec_1".into(),
            hash: "ab".into(),
            last4: "HCgG".into(),
            created_at: 1,
            valid_until: Some(0),
        };
        let key = KeyRight {
            id: "BRTRKFsL".into(),
            owner: "usr_ben".into(),
            role_max: String::new(),
            paused_at: None,
            revoked: Some((7, None, "leaked".into())),
            secrets: vec![secret],
        };
        let rights = vec![
            Right::Key(key),
            Right::Member { org: "org_acme".into(), user: "usr_ben".into(), role: None },
            Right::Person { id: "usr_ben".into(), disabled_at: Some(3), password_hash: "$argon2id$x".into() },
            Right::Org { id: "org_acme".into(), plan: "standard".into() },
            Right::ServiceToken { id: "svc_1".into(), revoked_at: 9 },
        ];
        let page = Page { of: "ins_1".into(), from: 1, to: 2, end: true, rights };
        let line = serde_json::to_string(&page).unwrap();
        assert_eq!(serde_json::from_str::<Page>(&line).unwrap(), page);
    }
}
