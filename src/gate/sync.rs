//! What threads share, by one name each: `models/` has these names stand for types that try every order.

pub(super) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicUsize, Ordering};
pub(super) use std::sync::{Arc, PoisonError, RwLock};
