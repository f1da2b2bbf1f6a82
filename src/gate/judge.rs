//! The decision itself: which key a text belongs to, whether it is good, and what its limits say.

use std::sync::Arc;

use super::index::{self, KeyRecord, KeyTag, OrgEntry};
use super::limit::{Bucket, Limits};
use super::record::Note;
use super::{Checked, Inner, Pass, Seen};
use crate::domain::key::{KeyStatus, StatusFacts};
use crate::domain::org::Role;
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;
use crate::domain::verdict::{KeyFacts, Verdict, matching_secret, verdict};

/// What is to be said of a text, before any limit.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// The key whose secret it was.
    pub(super) found: Option<Found>,
}

/// What was found under an id, with the secret that was presented.
pub(super) struct Found {
    pass: Pass,
    secret: SecretHash,
    org: Arc<OrgEntry>,
    bucket: Option<Arc<Bucket>>,
}

impl Inner {
    pub(super) fn judge(&self, token: &str, require: Option<Role>, in_url: bool, now: Timestamp) -> Judged {
        let refused = |verdict| Judged { verdict, found: None };
        let Some((id, secret)) = self.rules.format.split(token) else { return refused(Verdict::Malformed) };
        let Ok(tag) = KeyTag::try_from(id.as_bytes()) else { return refused(Verdict::Malformed) };
        let presented = secret.hash();
        let judged = self.index.with(&tag, |record| self.judge_key(record, presented, now)).flatten();
        let Some(mut judged) = judged else { return refused(Verdict::NotFound) };
        if let Some(Found { pass, .. }) = &judged.found
            && judged.verdict == Verdict::Valid
        {
            if in_url && !pass.url_allowed {
                judged.verdict = Verdict::NotInUrl;
            } else if require.is_some_and(|least| pass.role < Some(least)) {
                judged.verdict = Verdict::RoleTooLow;
            }
        }
        judged
    }

    fn judge_key(&self, record: &KeyRecord, presented: SecretHash, now: Timestamp) -> Option<Judged> {
        let secret_until = matching_secret(&presented, &record.current, record.previous.as_deref())?;
        let member = &record.member;
        let org = member.org.facts.load_full();
        let role = member.role().map(|role| record.role_max.map_or(role, |most| most.min(role)));
        let expires_at = (record.expires_at != index::NEVER).then_some(record.expires_at);
        let facts = KeyFacts {
            is_revoked: record.is_revoked,
            secret_until,
            expires_at,
            is_paused: record.is_paused,
            role,
            plan_lets: org.plan_lets,
        };
        let pass = Pass {
            id: record.id,
            name: record.name.clone(),
            environment: self.index.environment(record.environment),
            status: status(record, expires_at, now),
            url_allowed: record.url_allowed,
            created_at: record.created_at,
            expires_at,
            org,
            user: member.user.facts.load_full(),
            profile: record.profile.facts.load_full(),
            role,
            at: now,
        };
        let found = Found { pass, secret: presented, org: member.org.clone(), bucket: record.bucket.clone() };
        Some(Judged { verdict: verdict(&facts, now), found: Some(found) })
    }

    pub(super) async fn take(&self, found: &Found, now: i64, may_wait: bool) -> Limits {
        let facts = &found.pass.org;
        if facts.quota.is_none() && facts.key_quota.is_none() {
            return Limits::default();
        }
        let is_missing = facts.key_quota.is_some() && found.bucket.is_none();
        let (made, none) = (is_missing.then(|| self.index.bucket_of(&found.pass.id)).flatten(), Bucket::default());
        let of_key = found.bucket.as_deref().or(made.as_deref()).unwrap_or(&none);
        if !may_wait {
            return self.limiter.take_here(&found.org.bucket, facts.quota, of_key, facts.key_quota, now);
        }
        // In a box, so that a check that does not wait carries no room for it.
        Box::pin(self.limiter.take(&facts.id, &found.org.bucket, facts.quota, of_key, facts.key_quota, now)).await
    }

    pub(super) fn note(&self, judged: Judged, limits: Limits, seen: &Seen<'_>, at: Timestamp) -> Checked {
        let Judged { verdict, found } = judged;
        let pass = found.map(|Found { pass, secret, .. }| {
            let note = Note { key: pass.id, org: &pass.org.id, secret: secret.tag(), verdict, at, seen };
            self.recorder.note(&note);
            pass
        });
        Checked { verdict, pass, limits }
    }
}

fn status(record: &KeyRecord, expires_at: Option<Timestamp>, now: Timestamp) -> KeyStatus {
    let facts = StatusFacts {
        is_revoked: record.is_revoked,
        expires_at,
        is_paused: record.is_paused,
        grace_until: record.previous.as_ref().map(|old| old.1),
    };
    KeyStatus::of(&facts, now)
}
