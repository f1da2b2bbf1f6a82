//! The harness: a server with the usual cast, and homes in which its people type commands, on a terminal and off it.
#![allow(dead_code, reason = "a toolbox: not every pass uses every tool")]

#[path = "../../it/support/binary.rs"]
pub(crate) mod binary;
#[path = "../../it/support/cast.rs"]
pub(crate) mod cast;
#[path = "../../it/support/database.rs"]
pub(crate) mod database;
#[path = "../../it/browser/driver.rs"]
pub(crate) mod driver;
pub(crate) mod home;
pub(crate) mod page;
pub(crate) mod terminal;
pub(crate) mod world;

pub(crate) use home::Home;
pub(crate) use world::World;
