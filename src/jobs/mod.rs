//! What the server does by itself beside answering requests.

pub mod courier;
pub mod hooks;
pub mod mail;
