//! Stands where the server's `gate` stands, for the files of it that are tried.

#[path = "../../../src/gate/index.rs"]
mod index;
#[path = "../../../src/gate/places.rs"]
mod places;
mod tests;

/// In place of the server's `gate/sync.rs`.
mod sync {
    pub(super) use shuttle::sync::RwLock;
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicUsize, Ordering};
    pub(super) use std::sync::{Arc, PoisonError};
}

// The index carries these about and does nothing with them.
mod facts {
    pub(super) struct OrgFacts;
    pub(super) struct UserFacts;
    pub(super) struct ProfileFacts;
    pub(super) struct WithJson<T>(pub(super) T);
}
mod limit {
    #[derive(Default)]
    pub(super) struct Bucket;
}

macro_rules! variants {
    ($($name:ident),*) => {$(
        mod $name {
            use super::{facts, index, sync};

            mod protocol {
                include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
            }
            pub(super) mod world {
                include!("world.rs");
            }
        }
    )*};
}

// Made by build.rs: the server's file, and what must not pass.
variants!(
    as_it_is,
    acknowledges_before_it_has_applied,
    says_it_is_further_than_it_is,
    counts_the_lease_from_after_the_renewal,
    uses_the_lease_before_it_has_applied,
    takes_others_off_the_list_too_early,
    reads_the_list_before_the_log,
    numbers_what_it_has_read_afterwards
);
