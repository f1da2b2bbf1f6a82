//! The few types of the server's `domain` that the index carries about, without what else belongs to them.

pub(crate) mod org {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Role {
        Builder,
        Admin,
        Owner,
    }
}

pub(crate) mod time {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Timestamp(i64);

    impl Timestamp {
        pub const fn from_micros(micros: i64) -> Self {
            Self(micros)
        }

        pub const fn as_micros(self) -> i64 {
            self.0
        }
    }
}

pub(crate) mod token {
    pub struct SecretHash(pub [u8; 32]);
}
