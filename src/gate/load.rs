//! From rows to the index: everything at the start, afterwards what was changed. The follower's own; nobody else writes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::facts::{OrgFacts, ProfileFacts, UserFacts, WithJson};
use super::index::{Index, KeyRecord, KeyTag, MemberEntry, NEVER, OrgEntry, ProfileEntry, UserEntry};
use super::limit::Bucket;
use super::tokens::Tokens;
use crate::db::changes::Change;
use crate::db::gate_rows::{self, GateKey, GateOrg, GateProfile, GateUser};
use crate::db::{Conn, DbError, DbResult};
use crate::domain::ids::{KeyId, OrgId, ProfileId, UserId};
use crate::domain::policy;
use crate::domain::rules::Rules;

/// Keys read at once.
const PAGE: i64 = 5_000;

/// What keys share, by id; and the index that is kept up to date with it.
pub(super) struct Loader {
    rules: Arc<Rules>,
    index: Arc<Index>,
    tokens: Arc<Tokens>,
    orgs: HashMap<OrgId, Arc<OrgEntry>>,
    users: HashMap<UserId, Arc<UserEntry>>,
    profiles: HashMap<ProfileId, Arc<ProfileEntry>>,
    members: HashMap<(OrgId, UserId), Arc<MemberEntry>>,
}

impl Loader {
    pub(super) fn new(rules: Arc<Rules>, index: Arc<Index>, tokens: Arc<Tokens>) -> Self {
        let (orgs, users, profiles, members) = Default::default();
        Self { rules, index, tokens, orgs, users, profiles, members }
    }

    /// How many organizations there are.
    pub(super) fn orgs(&self) -> usize {
        self.orgs.len()
    }

    /// Reads everything, over what there is, and forgets the keys that are gone: a restored backup may hold fewer.
    pub(super) fn load_everything(&mut self, conn: &mut Conn) -> DbResult<()> {
        for org in gate_rows::list_gate_orgs(conn, None)? {
            self.put_org(org);
        }
        for user in gate_rows::list_gate_users(conn, None)? {
            self.put_user(user);
        }
        for profile in gate_rows::list_gate_profiles(conn, None)? {
            self.put_profile(profile);
        }
        let members = gate_rows::list_gate_members(conn, None)?;
        let mut gone: HashSet<_> = self.members.keys().cloned().collect();
        for (org, user, role) in members {
            self.member(conn, &org, &user)?.set_role(Some(role));
            gone.remove(&(org, user));
        }
        gone.iter().filter_map(|of| self.members.get(of)).for_each(|member| member.set_role(None));
        self.tokens.put_all(gate_rows::list_gate_tokens(conn)?);
        // At the start there is nothing to forget, and up to ten million keys need not be remembered twice.
        let mut seen = (self.index.len() > 0).then(HashSet::new);
        let mut after = String::new();
        loop {
            let keys = gate_rows::list_gate_keys(conn, &after, PAGE)?;
            let Some(last) = keys.last() else { break };
            last.id.as_str().clone_into(&mut after);
            for key in keys {
                if let Some(seen) = &mut seen {
                    seen.extend(tag_of(&key.id));
                }
                self.put_key(conn, key)?;
            }
        }
        if let Some(seen) = seen {
            self.index.keep_only(&seen);
        }
        Ok(())
    }

    /// Reads what was changed.
    pub(super) fn apply(&mut self, conn: &mut Conn, changes: &[(i64, Change)]) -> DbResult<()> {
        if changes.iter().any(|(_, change)| *change == Change::Everything) {
            return self.load_everything(conn);
        }
        let mut keys: Vec<&str> = Vec::new();
        for (_, change) in changes {
            match change {
                Change::Key(id) => keys.push(id.as_str()),
                Change::Org(id) => self.reload_org(conn, id)?,
                Change::User(id) => self.reload_user(conn, id)?,
                Change::Profile(id) => self.reload_profile(conn, id)?,
                Change::Member(org, user) => self.reload_member(conn, org, user)?,
                Change::ServiceTokens => self.tokens.put_all(gate_rows::list_gate_tokens(conn)?),
                Change::Everything => {}
            }
        }
        keys.sort_unstable();
        keys.dedup();
        for some in keys.chunks(500) {
            for key in gate_rows::find_gate_keys(conn, some)? {
                self.put_key(conn, key)?;
            }
        }
        Ok(())
    }

    fn reload_org(&mut self, conn: &mut Conn, id: &OrgId) -> DbResult<()> {
        gate_rows::list_gate_orgs(conn, Some(id))?.into_iter().for_each(|org| self.put_org(org));
        Ok(())
    }

    fn reload_user(&mut self, conn: &mut Conn, id: &UserId) -> DbResult<()> {
        gate_rows::list_gate_users(conn, Some(id))?.into_iter().for_each(|user| self.put_user(user));
        Ok(())
    }

    fn reload_profile(&mut self, conn: &mut Conn, id: &ProfileId) -> DbResult<()> {
        gate_rows::list_gate_profiles(conn, Some(id))?.into_iter().for_each(|profile| self.put_profile(profile));
        Ok(())
    }

    fn reload_member(&mut self, conn: &mut Conn, org: &OrgId, user: &UserId) -> DbResult<()> {
        let role = gate_rows::list_gate_members(conn, Some((org, user)))?.pop().map(|(_, _, role)| role);
        self.member(conn, org, user)?.set_role(role);
        Ok(())
    }

    fn put_org(&mut self, row: GateOrg) {
        let plan = self.rules.plan(&row.plan);
        let facts = Arc::new(WithJson::new(OrgFacts {
            id: row.id.as_str().into(),
            slug: row.slug,
            name: row.name,
            plan_lets: policy::plan_lets_keys(&plan, self.rules.on_downgrade),
            quota: plan.requests_per_minute,
            key_quota: plan.key_requests_per_minute,
            plan_name: plan.name,
            plan: row.plan,
        }));
        match self.orgs.entry(OrgId(row.id)) {
            Entry::Occupied(entry) => entry.get().facts.store(facts),
            Entry::Vacant(place) => {
                place.insert(Arc::new(OrgEntry { facts: ArcSwap::new(facts), bucket: Bucket::default() }));
            }
        }
    }

    fn put_user(&mut self, row: GateUser) {
        let is_disabled = row.is_disabled();
        let facts = Arc::new(WithJson::new(UserFacts { id: row.id.clone(), email: row.email, name: row.name }));
        match self.users.entry(UserId(row.id)) {
            Entry::Occupied(entry) => {
                entry.get().facts.store(facts);
                entry.get().is_disabled.store(is_disabled, Ordering::Release);
            }
            Entry::Vacant(place) => {
                let is_disabled = AtomicBool::new(is_disabled);
                place.insert(Arc::new(UserEntry { facts: ArcSwap::new(facts), is_disabled }));
            }
        }
    }

    fn put_profile(&mut self, row: GateProfile) {
        let facts = Arc::new(WithJson::new(ProfileFacts { id: row.id.clone(), name: row.name }));
        match self.profiles.entry(ProfileId(row.id)) {
            Entry::Occupied(entry) => entry.get().facts.store(facts),
            Entry::Vacant(place) => {
                place.insert(Arc::new(ProfileEntry { facts: ArcSwap::new(facts) }));
            }
        }
    }

    /// A person in an organization. A new entry has no role until one is set.
    fn member(&mut self, conn: &mut Conn, org: &OrgId, user: &UserId) -> DbResult<Arc<MemberEntry>> {
        let of = (org.clone(), user.clone());
        if let Some(entry) = self.members.get(&of) {
            return Ok(entry.clone());
        }
        if !self.orgs.contains_key(org) {
            self.reload_org(conn, org)?;
        }
        if !self.users.contains_key(user) {
            self.reload_user(conn, user)?;
        }
        let org = self.orgs.get(org).ok_or(DbError::NotFound)?.clone();
        let user = self.users.get(user).ok_or(DbError::NotFound)?.clone();
        let entry = Arc::new(MemberEntry::new(org, user, None));
        self.members.insert(of, entry.clone());
        Ok(entry)
    }

    fn put_key(&mut self, conn: &mut Conn, key: GateKey) -> DbResult<()> {
        // An entry that is not there yet: of a member who came since, or of one who left before the start.
        if !self.members.contains_key(&(key.org.clone(), key.owner.clone())) {
            self.reload_member(conn, &key.org, &key.owner)?;
        }
        let member = self.member(conn, &key.org, &key.owner)?;
        if !self.profiles.contains_key(&key.profile) {
            self.reload_profile(conn, &key.profile)?;
        }
        let profile = self.profiles.get(&key.profile).ok_or(DbError::NotFound)?.clone();
        let Some(id) = tag_of(&key.id) else {
            // No check can ever present it: ids of keys have eight characters.
            tracing::warn!(key = %key.id, "a key whose id has not eight characters is left out");
            return Ok(());
        };
        self.index.put(KeyRecord {
            id,
            current: key.current,
            previous: key.previous.map(Box::new),
            member,
            profile,
            name: key.name.into(),
            created_at: key.created_at,
            expires_at: key.expires_at.unwrap_or(NEVER),
            bucket: None,
            environment: self.index.environment_number(&key.environment),
            role_max: key.role_max,
            url_allowed: key.url_allowed,
            is_paused: key.is_paused,
            is_revoked: key.is_revoked,
        });
        Ok(())
    }
}

// It must not grow into a third and fourth cache line unnoticed.
const _: () = assert!(size_of::<KeyRecord>() == 128);

/// The characters of a key's id.
pub(super) fn tag_of(id: &KeyId) -> Option<KeyTag> {
    id.as_str().as_bytes().try_into().ok()
}

// The index's own file is compiled for the models as well, where nothing runs but under their scheduler.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::org::Role;
    use crate::domain::time::Timestamp;
    use crate::domain::token::SecretHash;

    /// Some pieces in each shard, the last of them partly filled.
    const KEYS: i64 = 50_000;

    fn tag(number: i64) -> KeyTag {
        format!("{number:08}").into_bytes().try_into().unwrap()
    }

    fn entries() -> (Arc<MemberEntry>, Arc<ProfileEntry>) {
        let text = || "a".to_owned();
        let org = OrgFacts {
            id: "org_1".into(),
            slug: text(),
            name: text(),
            plan: text(),
            plan_name: text(),
            plan_lets: true,
            quota: None,
            key_quota: None,
        };
        let org = OrgEntry { facts: ArcSwap::from_pointee(WithJson::new(org)), bucket: Bucket::default() };
        let facts = WithJson::new(UserFacts { id: text(), email: text(), name: text() });
        let user = UserEntry { facts: ArcSwap::from_pointee(facts), is_disabled: AtomicBool::new(false) };
        let profile = WithJson::new(ProfileFacts { id: text(), name: text() });
        let profile = ProfileEntry { facts: ArcSwap::from_pointee(profile) };
        (Arc::new(MemberEntry::new(Arc::new(org), Arc::new(user), Some(Role::Builder))), Arc::new(profile))
    }

    /// The key of this number, made at `at`, which tells the records apart.
    fn record((member, profile): &(Arc<MemberEntry>, Arc<ProfileEntry>), number: i64, at: i64) -> KeyRecord {
        KeyRecord {
            id: tag(number),
            current: SecretHash([0; 32]),
            previous: None,
            member: member.clone(),
            profile: profile.clone(),
            name: "a".into(),
            created_at: Timestamp::from_micros(at),
            expires_at: NEVER,
            bucket: None,
            environment: 0,
            role_max: None,
            url_allowed: false,
            is_paused: false,
            is_revoked: false,
        }
    }

    #[test]
    fn of_many_keys_each_is_found_as_it_was_put_last() {
        let (index, entries) = (Index::new(), entries());
        let made_at = |number| index.with(&tag(number), |record| record.created_at.as_micros());
        (0..KEYS).for_each(|number| index.put(record(&entries, number, number)));
        let bucket = index.bucket_of(&tag(7)).unwrap();
        (0..KEYS).step_by(7).for_each(|number| index.put(record(&entries, number, -number)));
        for number in 0..KEYS {
            assert_eq!(made_at(number), Some(if number % 7 == 0 { -number } else { number }));
        }
        assert!(Arc::ptr_eq(&bucket, &index.bucket_of(&tag(7)).unwrap()), "what was counted stays");
        assert_eq!((index.len(), made_at(KEYS)), (50_000, None));

        index.keep_only(&(0..KEYS).step_by(3).map(tag).collect());
        assert_eq!(index.len(), 16_667);
        (0..KEYS).for_each(|number| assert_eq!(made_at(number).is_some(), number % 3 == 0, "{number}"));
    }
}
