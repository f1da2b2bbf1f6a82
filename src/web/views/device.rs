//! Letting a command line in.

use askama::Template;

use super::{Choice, Chrome, Errors, Time, views};
use crate::web::assets::filters;

/// `GET /device`. First step: only `user_code` is asked. Second: `device` is filled, and `decision` is asked with `org`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "people/device.html", blocks = ["panel"])]
pub struct DevicePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// What people type to begin: `keyrack auth login`.
    pub command: String,
    /// As typed, or from the link.
    pub user_code: String,
    /// The device that waits under this code.
    pub device: Option<DeviceView>,
    /// What is wrong.
    pub errors: Errors,
}

/// A device that wants to be let in, and whom it would act as.
#[derive(Debug, Clone, Default)]
pub struct DeviceView {
    /// `BCDF-GHJK`.
    pub code: String,
    /// What it calls itself.
    pub name: String,
    /// `Linux`, or what it says of itself.
    pub system: String,
    /// From where it asks.
    pub address: String,
    /// When it asked.
    pub asked: Time,
    /// Until when it would stay signed in.
    pub until: String,
    /// Whom it would act as.
    pub person: String,
    /// Their organizations, with the one chosen that they are in.
    pub orgs: Vec<Choice>,
}

impl DeviceView {
    /// The organization, where there is no choice.
    #[must_use]
    pub fn only_org(&self) -> Option<&Choice> {
        if self.orgs.len() == 1 { self.orgs.first() } else { None }
    }
}

views!(DevicePage);
