//! The decision itself: which key a text belongs to, whether it is good, and what its limits say.

use std::hint::black_box;
use std::sync::Arc;

use super::facts::OrgFacts;
use super::index::{self, KeyRecord, KeyTag, OrgEntry};
use super::limit::{Bucket, Limits, Quotas};
use super::record::Note;
use super::{Checked, Inner, Pass, Question, Seen};
use crate::domain::key::{KeyStatus, StatusFacts};
use crate::domain::org::Role;
use crate::domain::time::Timestamp;
use crate::domain::token::{SecretHash, SecretText};
use crate::domain::verdict::{KeyFacts, Needs, Verdict, matching_secret, verdict};

/// What is asked of a text, and when.
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) in_url: bool,
    pub(super) now: Timestamp,
    /// The same moment by the clock that never goes back, in microseconds.
    pub(super) uptime: i64,
}

/// What is to be said of a text.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// How it fared against the limits; nothing where that is still to be found out.
    pub(super) limits: Option<Limits>,
    /// The key whose secret it was.
    found: Option<Found>,
}

/// What was found under an id, with the secret that was presented.
struct Found {
    pass: Pass,
    secret: SecretHash,
    /// What is to be counted yet: the organization, and the key where it was counted before.
    uncounted: Option<(Arc<OrgEntry>, Option<Arc<Bucket>>)>,
}

impl Inner {
    pub(super) fn judge(&self, token: &str, asked: &Asked) -> Judged {
        let refused = |verdict| Judged { verdict, limits: Some(Limits::default()), found: None };
        let parts = self.rules.format.split(token);
        let parts = parts.and_then(|(id, secret)| Some((KeyTag::try_from(id.as_bytes()).ok()?, secret)));
        let none = if parts.is_some() { Verdict::NotFound } else { Verdict::Malformed };
        let (tag, secret) = parts.unwrap_or_else(|| (no_tag(token), SecretText::NONE));
        // All of it also where there is no such key, or the text is none: with another one, or time would tell.
        let judge = |record: Option<&KeyRecord>, is_it: bool| {
            // What is far away is asked for before the hash is made, and comes meanwhile.
            let role = record.and_then(|record| record.member.role());
            black_box(record.and_then(|record| record.name.as_bytes().first()));
            let presented = secret.hash();
            let record = record?;
            let until = matching_secret(&presented, &record.current, record.previous.as_deref());
            let secret_until = black_box(until).filter(|_| is_it)?;
            Some(self.judge_key(record, role, (presented, secret_until), asked))
        };
        self.index.look(&tag, judge).unwrap_or_else(|| refused(none))
    }

    /// `role` is that of the person it acts as; the secret is one of the key's, and works until then, where it has an end.
    fn judge_key(
        &self,
        record: &KeyRecord,
        role: Option<Role>,
        (secret, secret_until): (SecretHash, Option<Timestamp>),
        asked: &Asked,
    ) -> Judged {
        let (member, now) = (&record.member, asked.now);
        let role = role.map(|role| role.at_most(record.role_max));
        let expires_at = (record.expires_at != index::NEVER).then_some(record.expires_at);
        let org = member.org.facts.load();
        let facts = KeyFacts {
            is_revoked: record.is_revoked,
            secret_until,
            expires_at,
            is_paused: record.is_paused,
            role,
            plan_lets: org.plan_lets,
            url_allowed: record.url_allowed,
        };
        let verdict = verdict(&facts, Needs { in_url: asked.in_url, role: asked.question.require }, now);
        let limits = match verdict {
            Verdict::Valid => self.take_at_once(record, &org, asked),
            _ => Some(Limits::default()),
        };
        let uncounted = limits.is_none().then(|| (member.org.clone(), record.bucket.clone()));
        let pass = Pass {
            id: record.id,
            name: record.name.clone(),
            environment: self.index.environment(record.environment),
            status: status(record, expires_at, now),
            created_at: record.created_at,
            expires_at,
            org,
            user: member.user.facts.load(),
            profile: record.profile.facts.load(),
            role,
            at: now,
        };
        Judged { verdict, limits, found: Some(Found { pass, secret, uncounted }) }
    }

    /// Counts a request, where that asks nobody and changes nothing but counts.
    fn take_at_once(&self, record: &KeyRecord, org: &OrgFacts, asked: &Asked) -> Option<Limits> {
        if org.quota.is_none() && org.key_quota.is_none() {
            return Some(Limits::default());
        }
        if asked.question.may_wait || (org.key_quota.is_some() && record.bucket.is_none()) {
            return None;
        }
        let none = Bucket::default();
        let key = (record.bucket.as_deref().unwrap_or(&none), org.key_quota);
        let quotas = Quotas { account: (&record.member.org.bucket, org.quota), key };
        Some(self.limiter.take_here(quotas, asked.uptime))
    }

    /// Counts a request that could not be counted at once.
    pub(super) async fn take(&self, judged: &Judged, asked: &Asked) -> Limits {
        let Some(Found { pass, uncounted: Some((org, bucket)), .. }) = &judged.found else { return Limits::default() };
        let facts = &pass.org;
        let is_missing = facts.key_quota.is_some() && bucket.is_none();
        let (made, none) = (is_missing.then(|| self.index.bucket_of(&pass.id)).flatten(), Bucket::default());
        let key = (bucket.as_deref().or(made.as_deref()).unwrap_or(&none), facts.key_quota);
        let quotas = Quotas { account: (&org.bucket, facts.quota), key };
        if !asked.question.may_wait {
            return self.limiter.take_here(quotas, asked.uptime);
        }
        // In a box, so that a check that does not wait carries no room for it.
        Box::pin(self.limiter.take(&facts.id, quotas, asked.uptime)).await
    }

    pub(super) fn note(&self, judged: Judged, limits: Limits, seen: &Seen<'_>, at: Timestamp) -> Checked {
        let Judged { verdict, found, .. } = judged;
        let pass = found.map(|Found { pass, secret, .. }| {
            let note = Note { key: pass.id, org: &pass.org.id, secret: secret.tag(), verdict, at, seen };
            self.recorder.note(&note);
            pass
        });
        Checked { verdict, pass, limits }
    }
}

/// What no key has for its id, another one for each text.
fn no_tag(text: &str) -> KeyTag {
    let mut tag = KeyTag::default();
    for (place, byte) in tag.iter_mut().skip(1).zip(text.bytes().rev()) {
        *place = byte;
    }
    tag
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
