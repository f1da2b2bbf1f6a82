//! Keyrack.
