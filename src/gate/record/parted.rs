//! Maps of what is counted, which are large where very many keys are used.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A hash for ids and hashes that this server chose at random itself: nobody can make them collide on purpose.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

pub(super) type Part<K, V> = HashMap<K, V, BuildHasherDefault<Fold>>;

const PARTS: usize = 64;

/// A map that never grows all at once: to move a hundred thousand to a larger place takes ten milliseconds, in which nothing else
/// runs on that core.
#[derive(Debug)]
pub(super) struct Parted<K, V>([Part<K, V>; PARTS]);

impl<K, V> Default for Parted<K, V> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Part::default()))
    }
}

impl<K: Eq + Hash, V> Parted<K, V> {
    /// Where this stands, if it is there.
    pub(super) fn part(&mut self, key: &K) -> &mut Part<K, V> {
        let mut hasher = Fold::default();
        key.hash(&mut hasher);
        // Neither the lowest bits nor the highest, by which a part tells its own apart.
        &mut self.0[(hasher.finish() >> 32) as usize % PARTS]
    }

    pub(super) fn contains_key(&mut self, key: &K) -> bool {
        self.part(key).contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(HashMap::is_empty)
    }

    /// How many there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.0.iter().map(HashMap::capacity).sum()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().flat_map(HashMap::keys)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().flat_map(HashMap::values_mut)
    }

    /// Takes all out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        self.0.iter_mut().flat_map(HashMap::drain)
    }

    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(HashMap::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_any_way_is_spread_over_all_parts() {
        let many: u64 = 64 * PARTS as u64;
        for step in [1, 1 << 20, 1 << 58] {
            let mut map = Parted::default();
            for number in 0..many {
                let key = number.wrapping_mul(step).rotate_left(6);
                *map.part(&key).entry(key).or_insert(0) += 1;
            }
            let different = map.len();
            assert_eq!((different, map.is_empty()), (map.keys().count(), false));
            assert_eq!(map.values_mut().map(|count| *count).sum::<u64>(), many);
            let largest = map.0.iter().map(HashMap::len).max().unwrap();
            assert!(largest <= 2 * different.div_ceil(PARTS), "{largest} of {different}");
            assert_eq!((map.drain().count(), map.len()), (different, 0));
        }
    }
}
