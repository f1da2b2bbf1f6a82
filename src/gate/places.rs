//! Where records lie, by the hash of their ids. A look-up goes to far memory once here; a table that keeps tags and numbers apart
//! goes there twice, and that takes longer than to hash a secret.

const NUMBER_BITS: u32 = 24;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
const FIRST_SIZE: usize = 16;

/// A table of numbers, looked through from the cell that the hash names to the next empty one (linear probing: Knuth, The Art of
/// Computer Programming, volume 3, section 6.4, algorithm L).
#[derive(Default)]
pub(super) struct Places {
    /// A power of two of them: 0 where it is empty, else the number and one in the lower bits, and above them some of the hash.
    cells: Vec<u32>,
    count: usize,
}

fn cell_of(hash: u64, number: u32) -> u32 {
    ((hash >> (64 - (32 - NUMBER_BITS))) as u32) << NUMBER_BITS | ((number + 1) & NUMBER)
}

impl Places {
    /// Numbers are below this: of a thousand million keys in all.
    pub(super) const NUMBERS: usize = NUMBER as usize;

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The number that was put under this hash and that `is_it` takes.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let (mask, tag) = (self.cells.len().checked_sub(1)?, cell_of(hash, 0) >> NUMBER_BITS);
        let mut at = hash as usize & mask;
        // It ends, because the table is never full.
        while self.cells[at] != 0 {
            let (cell_tag, number) = (self.cells[at] >> NUMBER_BITS, (self.cells[at] & NUMBER) - 1);
            if cell_tag == tag && is_it(number) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Puts a number below [`Self::NUMBERS`] that is not there yet. `hash_of` gives the hash of any that is.
    pub(super) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        // Thirteen of sixteen: beyond, the ways to the next empty cell grow fast.
        if self.count * 16 >= self.cells.len() * 13 {
            let all: Vec<u32> = self.numbers().collect();
            self.rebuild((self.cells.len() * 2).max(FIRST_SIZE), &all, hash_of);
        }
        self.put(hash, number);
    }

    /// Forgets all numbers but those that `keep` takes.
    pub(super) fn retain(&mut self, keep: impl Fn(u32) -> bool, hash_of: impl Fn(u32) -> u64) {
        let kept: Vec<u32> = self.numbers().filter(|number| keep(*number)).collect();
        self.rebuild(self.cells.len(), &kept, hash_of);
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        self.cells.iter().filter(|cell| **cell != 0).map(|cell| (cell & NUMBER) - 1)
    }

    fn rebuild(&mut self, size: usize, numbers: &[u32], hash_of: impl Fn(u32) -> u64) {
        *self = Self { cells: vec![0; size], count: 0 };
        numbers.iter().for_each(|number| self.put(hash_of(*number), *number));
    }

    fn put(&mut self, hash: u64, number: u32) {
        let mask = self.cells.len() - 1;
        let mut at = hash as usize & mask;
        while self.cells[at] != 0 {
            at = (at + 1) & mask;
        }
        self.cells[at] = cell_of(hash, number);
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Poor on purpose: many numbers share a hash, or only its tag, or only its place.
    fn poor(number: u32) -> u64 {
        u64::from(number % 7) << 56 | u64::from(number % 5)
    }

    #[test]
    fn every_number_is_found_and_no_other() {
        for hash_of in [poor, |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)] {
            let mut places = Places::default();
            let found = |places: &Places, number: u32| places.find(hash_of(number), |other| other == number);
            assert_eq!(found(&places, 0), None);
            for number in 0..3000 {
                places.insert(hash_of(number), number, hash_of);
                assert_eq!(places.len(), number as usize + 1);
                assert_eq!(found(&places, number / 2), Some(number / 2));
                assert_eq!(found(&places, number + 1), None);
            }
            places.retain(|number| number % 3 == 1, hash_of);
            let left: BTreeSet<u32> = (0..4000).filter(|number| found(&places, *number).is_some()).collect();
            assert_eq!(left, (0..3000).filter(|number| number % 3 == 1).collect());
            assert_eq!(places.len(), left.len());
            places.insert(hash_of(5000), 5000, hash_of);
            assert_eq!(found(&places, 5000), Some(5000));
        }
    }

    #[test]
    fn the_last_number_there_is_room_for_is_kept_apart_from_emptiness() {
        let mut places = Places::default();
        for number in [0, NUMBER - 1] {
            for hash in [0, u64::MAX] {
                places.insert(hash, number, |_| hash);
                assert_eq!(places.find(hash, |other| other == number), Some(number));
            }
        }
    }

    #[test]
    fn it_is_never_so_full_that_a_look_goes_far() {
        let mut places = Places::default();
        let hash_of = |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in 0..20_000 {
            places.insert(hash_of(number), number, hash_of);
            assert!(places.count * 16 <= places.cells.len() * 13 + 16, "{} in {}", places.count, places.cells.len());
        }
    }
}
