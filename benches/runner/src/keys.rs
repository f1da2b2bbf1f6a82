//! Keys whose plain texts can be worked out again from their ids, in the format that Keyrack makes by default.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const IDS: u64 = 62u64.pow(8);

/// The eight characters of an id.
pub type Id = [u8; 8];

/// A key in plain text and what is stored of it.
pub struct Key {
    pub text: String,
    pub hash: String,
    pub last4: String,
}

/// SplitMix64: the same numbers for the same start, on every machine.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() % end as u64) as usize
    }
}

/// `count` different ids in ascending order, which is the order in which an index takes them fastest.
pub fn ids(count: usize) -> Vec<Id> {
    let mut numbers = Numbers(1);
    let mut found: Vec<u64> = Vec::new();
    while found.len() < count {
        let missing = count - found.len();
        found.extend((0..missing).map(|_| numbers.draw() % IDS));
        found.sort_unstable();
        found.dedup();
    }
    found.into_iter().map(id_of).collect()
}

/// An id that `ids` does not give, but for one chance in millions.
pub fn unknown_id(numbers: &mut Numbers) -> Id {
    id_of(numbers.draw() % IDS)
}

fn id_of(mut number: u64) -> Id {
    let mut id = [0; 8];
    for place in id.iter_mut().rev() {
        *place = BASE62[(number % 62) as usize];
        number /= 62;
    }
    id
}

/// The key of this id. `secret` 0 is the one that is seeded; others are well-formed and wrong.
pub fn key(id: &Id, secret: u64) -> Key {
    let mut numbers = Numbers(u64::from_be_bytes(*id) ^ secret.rotate_left(32));
    let id = std::str::from_utf8(id).unwrap_or("????????");
    let random: String = (0..22).map(|_| char::from(BASE62[numbers.below(62)])).collect();
    let head = format!("kr_{id}_{random}");
    let sum = crc32fast::hash(head.as_bytes()) % 3844;
    let digit = |value: u32| char::from(BASE62[value as usize % 62]);
    let sum: String = [digit(sum / 62), digit(sum)].iter().collect();
    let secret = format!("{random}{sum}");
    let hash = Sha256::digest(secret.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Key { text: format!("{head}{sum}"), hash, last4: secret[20..].to_owned() }
}

/// The same key with a wrong checksum.
pub fn malformed(key: &str) -> String {
    let last = if key.ends_with('x') { 'y' } else { 'x' };
    format!("{}{last}", &key[..key.len() - 1])
}
