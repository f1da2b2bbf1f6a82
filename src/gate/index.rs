//! All keys in memory. Checks read it from many threads; only the follower writes it, one change after another, always
//! with what it has just read from the database: so nothing old is ever put back over something new.

use std::collections::HashSet;
use std::sync::OnceLock;

use arc_swap::ArcSwap;
use smol_str::SmolStr;

use super::facts::{OrgFacts, ProfileFacts, UserFacts, WithJson};
use super::limit::Bucket;
use super::places::Places;
use super::sync::{Arc, AtomicBool, AtomicU8, AtomicUsize, Ordering, PoisonError, RwLock};
use crate::domain::org::Role;
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;

/// The characters of a key's id.
pub type KeyTag = [u8; 8];

/// An organization, shared by all its keys.
pub(super) struct OrgEntry {
    pub(super) facts: ArcSwap<WithJson<OrgFacts>>,
    /// The account's requests of this minute.
    pub(super) bucket: Bucket,
}

/// A person, shared by their memberships.
pub(super) struct UserEntry {
    pub(super) facts: ArcSwap<WithJson<UserFacts>>,
    pub(super) is_disabled: AtomicBool,
}

/// A person in an organization, shared by their keys.
pub(super) struct MemberEntry {
    pub(super) org: Arc<OrgEntry>,
    pub(super) user: Arc<UserEntry>,
    role: AtomicU8,
}

/// A profile, shared by its keys.
pub(super) struct ProfileEntry {
    pub(super) facts: ArcSwap<WithJson<ProfileFacts>>,
}

impl MemberEntry {
    pub(super) fn new(org: Arc<OrgEntry>, user: Arc<UserEntry>, role: Option<Role>) -> Self {
        let entry = Self { org, user, role: AtomicU8::new(0) };
        entry.set_role(role);
        entry
    }

    pub(super) fn set_role(&self, role: Option<Role>) {
        let number = match role {
            None => 0,
            Some(Role::Builder) => 1,
            Some(Role::Admin) => 2,
            Some(Role::Owner) => 3,
        };
        self.role.store(number, Ordering::Release);
    }

    /// What they may do now; nothing when they do not belong, or their account is shut.
    pub(super) fn role(&self) -> Option<Role> {
        if self.user.is_disabled.load(Ordering::Acquire) {
            return None;
        }
        match self.role.load(Ordering::Acquire) {
            1 => Some(Role::Builder),
            2 => Some(Role::Admin),
            3 => Some(Role::Owner),
            _ => None,
        }
    }
}

/// A key, in two cache lines side by side, which processors fetch in pairs: there may be ten million, most of them far away. A name
/// of more than 23 bytes lies elsewhere.
#[repr(align(128))]
pub(super) struct KeyRecord {
    pub(super) id: KeyTag,
    pub(super) current: SecretHash,
    pub(super) previous: Option<Box<(SecretHash, Timestamp)>>,
    pub(super) member: Arc<MemberEntry>,
    pub(super) profile: Arc<ProfileEntry>,
    pub(super) name: SmolStr,
    pub(super) created_at: Timestamp,
    /// [`NEVER`] where it has no end.
    pub(super) expires_at: Timestamp,
    /// Its requests of this minute; there only once a limit per key was asked for.
    pub(super) bucket: Option<Arc<Bucket>>,
    /// [`Index::environment`] has its name.
    pub(super) environment: u8,
    pub(super) role_max: Option<Role>,
    pub(super) url_allowed: bool,
    pub(super) is_paused: bool,
    pub(super) is_revoked: bool,
}

/// The end of what has none.
pub(super) const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

const SHARDS: usize = 64;
/// Records are kept in pieces of this many, so that growing copies none and leaves little empty. One less than a power of two:
/// the allocator takes a third more for blocks whose size is one.
const PIECE: usize = 255;

#[derive(Default)]
struct Shard {
    /// By the hash of the id.
    places: Places,
    pieces: Vec<Vec<KeyRecord>>,
    count: usize,
}

impl Shard {
    fn at(&self, place: u32) -> &KeyRecord {
        &self.pieces[place as usize / PIECE][place as usize % PIECE]
    }

    fn find(&self, hash: u64, id: &KeyTag) -> Option<u32> {
        self.places.find(hash, |place| self.at(place).id == *id)
    }

    /// Any record, always the same for a hash.
    fn other(&self, hash: u64) -> Option<&KeyRecord> {
        let place = (hash >> 16) as usize % self.count.max(1);
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }

    fn put(&mut self, hash: u64, mut record: KeyRecord) {
        if let Some(place) = self.find(hash, &record.id) {
            let old = &mut self.pieces[place as usize / PIECE][place as usize % PIECE];
            record.bucket = record.bucket.or_else(|| old.bucket.take());
            *old = record;
            return;
        }
        let place = self.count;
        if place >= Places::NUMBERS {
            tracing::error!("there is no room for one more key");
            return;
        }
        if place.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(record);
        }
        self.count += 1;
        let Self { places, pieces, .. } = self;
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        places.insert(hash, place, |place| hash_of(&pieces[place as usize / PIECE][place as usize % PIECE].id));
    }
}

/// All keys.
pub(super) struct Index {
    shards: Vec<RwLock<Shard>>,
    keys: AtomicUsize,
    /// Never taken back: names come from the settings, and there is room for few.
    environments: [OnceLock<&'static str>; 256],
}

/// Ids are random base62 of our own making, so that one multiplication mixes them enough.
fn hash_of(id: &KeyTag) -> u64 {
    let wide = u128::from(u64::from_le_bytes(*id)) * 0x9e37_79b9_7f4a_7c15;
    (wide >> 64) as u64 ^ wide as u64
}

impl Index {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, keys: AtomicUsize::new(0), environments: [const { OnceLock::new() }; 256] }
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // The table takes the low bits and the top eight.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    /// Looks at a key. What `look` gives must not hold on to the record: the shard is locked for reading meanwhile.
    pub(super) fn with<T>(&self, id: &KeyTag, look: impl FnOnce(&KeyRecord) -> T) -> Option<T> {
        self.look(id, |record, is_it| record.filter(|_| is_it).map(look))
    }

    /// Looks at a key, and whether it is it: where there is none, at some other one, so that whoever must not tell by time that
    /// there is none does with that what they would have done with it.
    pub(super) fn look<T>(&self, id: &KeyTag, look: impl FnOnce(Option<&KeyRecord>, bool) -> T) -> T {
        let hash = hash_of(id);
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        match shard.find(hash, id) {
            Some(place) => look(Some(shard.at(place)), true),
            None => look(shard.other(hash), false),
        }
    }

    /// Puts a key in place, or what it is now over what it was. Only the follower calls this.
    pub(super) fn put(&self, record: KeyRecord) {
        let hash = hash_of(&record.id);
        let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
        let before = shard.count;
        shard.put(hash, record);
        self.keys.fetch_add(shard.count - before, Ordering::Relaxed);
    }

    /// The key's own requests of this minute, made when first asked for.
    pub(super) fn bucket_of(&self, id: &KeyTag) -> Option<Arc<Bucket>> {
        let hash = hash_of(id);
        let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
        let place = shard.find(hash, id)? as usize;
        let record = &mut shard.pieces[place / PIECE][place % PIECE];
        Some(record.bucket.get_or_insert_default().clone())
    }

    /// A small number for the name of an environment. Only the follower calls this. Beyond 256 names, which no settings
    /// ever had, the last one stands for the rest.
    pub(super) fn environment_number(&self, name: &str) -> u8 {
        let is_it = |place: &&OnceLock<&'static str>| match place.get() {
            Some(known) => *known == name,
            None => place.set(Box::leak(name.into())).is_ok(),
        };
        u8::try_from(self.environments.iter().take_while(|place| !is_it(place)).count()).unwrap_or(u8::MAX)
    }

    /// The name behind a number.
    pub(super) fn environment(&self, number: u8) -> &'static str {
        self.environments[usize::from(number)].get().copied().unwrap_or_default()
    }

    /// Forgets every key but these. Their records stay where they are and are found no more: only a restored backup does this.
    pub(super) fn keep_only(&self, ids: &HashSet<KeyTag>) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let Shard { places, pieces, .. } = &mut *shard;
            let before = places.len();
            let id_at = |place: u32| &pieces[place as usize / PIECE][place as usize % PIECE].id;
            places.retain(|place| ids.contains(id_at(place)), |place| hash_of(id_at(place)));
            self.keys.fetch_sub(before - places.len(), Ordering::Relaxed);
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }
}
