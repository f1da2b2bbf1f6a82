//! What the templates see: finished strings and booleans. No rule is decided here and nothing is looked up; a handler asks
//! `domain::policy`, words the answer and fills a struct.
//!
//! # Whole page or fragment
//!
//! Every struct here is a [`View`]: [`View::page`] is the whole document, [`View::panel`] the fragment in its `panel` block. A handler
//! sends the fragment if and only if the request says `HX-Request: true` and `HX-Request-Type: partial`; otherwise the page. Both with
//! `Vary: HX-Request, HX-Request-Type`. The status is the same for both: 200, 422 with [`Errors`] filled, 409 or 429 with
//! [`Errors::banner`] filled.
//!
//! * **List pages** (API keys, audit log): the filter form asks for the fragment and puts it into `#panel`.
//! * **Form pages** (create, rotate, revoke, invite, remove member …): links open them as fragments in `<dialog id="dialog">`. Their forms
//!   post to the same address with and without htmx and put the answer in place of themselves. A post that ends the work answers 303,
//!   or to htmx `HX-Redirect`, with a [`Flash`] for the next page.
//! * **Secrets** ([`keys::RevealPage`], [`members::InvitedPage`]): the answer of the POST itself, page or fragment, with
//!   `Cache-Control: no-store` and `Content-Encoding: identity`.
//! * **Errors**: [`errors::ErrorPage`] does both; as a fragment it lands where the form was.

pub mod account;
pub mod audit;
pub mod chart;
pub mod device;
pub mod docs;
pub mod errors;
pub mod key;
pub mod keys;
pub mod leaks;
pub mod logs;
pub mod mail;
pub mod members;
pub mod notifications;
pub mod orgs;
pub mod people;
pub mod plan;
pub mod usage;
mod view;

pub use view::View;
pub(crate) use view::{render_into_room, views};

/// What surrounds every page.
#[derive(Debug, Clone, Default)]
pub struct Chrome {
    /// The operator's name for the product.
    pub product: String,
    /// The program's version.
    pub version: String,
    /// Where help is, if the operator says.
    pub support_url: Option<String>,
    /// `system`, `light` or `dark`; empty is `system`.
    pub theme: String,
    /// Who is signed in.
    pub user: Option<UserLine>,
    /// The organization of this page.
    pub org: Option<OrgLine>,
    /// All of the person's organizations, for the switcher.
    pub orgs: Vec<OrgLine>,
    /// Which entry of the menu this page is.
    pub nav: Nav,
    /// Whether the audit log stands in the menu.
    pub may_read_audit: bool,
    /// Whether the logs stand in the menu.
    pub may_see_logs: bool,
    /// What the last request did.
    pub flash: Option<Flash>,
    /// A lasting warning to operators, as about plain http.
    pub warning: Option<String>,
}

impl Chrome {
    /// Whether this page is the entry of that name.
    #[must_use]
    pub fn at(&self, name: &str) -> bool {
        self.nav.as_str() == name
    }

    /// The value of `data-theme`.
    #[must_use]
    pub fn theme_name(&self) -> &str {
        match self.theme.as_str() {
            "light" | "dark" => &self.theme,
            _ => "system",
        }
    }
}

/// The person who is signed in.
#[derive(Debug, Clone, Default)]
pub struct UserLine {
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

impl UserLine {
    /// The first letters of the first two words of the name.
    #[must_use]
    pub fn initials(&self) -> String {
        let letters = self.name.split_whitespace().filter_map(|word| word.chars().next());
        letters.take(2).flat_map(char::to_uppercase).collect()
    }
}

/// An organization in the switcher.
#[derive(Debug, Clone, Default)]
pub struct OrgLine {
    /// Its name.
    pub name: String,
    /// Its name in URLs.
    pub slug: String,
    /// The person's role in it.
    pub role: String,
}

impl OrgLine {
    /// Stands for a picture of it.
    #[must_use]
    pub fn initial(&self) -> String {
        self.name.chars().next().into_iter().flat_map(char::to_uppercase).collect()
    }
}

/// The entries of the menu.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Nav {
    /// A page outside the menu.
    #[default]
    None,
    /// API keys.
    ApiKeys,
    /// Logs.
    Logs,
    /// Members.
    Members,
    /// Profiles.
    Profiles,
    /// Plan.
    Plan,
    /// Notifications.
    Notifications,
    /// Organization.
    Organization,
    /// Leak desk.
    Leaks,
    /// Audit log.
    Audit,
    /// Account, security.
    Security,
    /// Account, sessions.
    Sessions,
    /// Account, appearance.
    Appearance,
    /// All organizations.
    Orgs,
}

impl Nav {
    /// Its name in templates.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::ApiKeys => "api-keys",
            Self::Logs => "logs",
            Self::Members => "members",
            Self::Profiles => "profiles",
            Self::Plan => "plan",
            Self::Notifications => "notifications",
            Self::Organization => "organization",
            Self::Leaks => "leaks",
            Self::Audit => "audit",
            Self::Security => "security",
            Self::Sessions => "sessions",
            Self::Appearance => "appearance",
            Self::Orgs => "orgs",
        }
    }
}

/// A banner: `kind` is `done`, `note`, `warning` or `error`.
#[derive(Debug, Clone, Default)]
pub struct Flash {
    /// How it looks.
    pub kind: &'static str,
    /// What it says.
    pub text: String,
}

impl Flash {
    /// Something was done.
    #[must_use]
    pub fn done(text: impl Into<String>) -> Self {
        Self { kind: "done", text: text.into() }
    }

    /// Something to know.
    #[must_use]
    pub fn note(text: impl Into<String>) -> Self {
        Self { kind: "note", text: text.into() }
    }

    /// Something to mind.
    #[must_use]
    pub fn warning(text: impl Into<String>) -> Self {
        Self { kind: "warning", text: text.into() }
    }

    /// Something went wrong.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { kind: "error", text: text.into() }
    }
}

/// An instant: `text` is relative or short (“5 min ago”), `exact` is in full with UTC, `iso` is for machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Time {
    /// RFC 3339.
    pub iso: String,
    /// As people say it.
    pub text: String,
    /// To the second; empty in lists that do not show it.
    pub exact: String,
}

/// What is wrong with a form.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    /// About the whole: a limit, a conflict, a wrong password.
    pub banner: Option<String>,
    /// About single fields, in the order of the form.
    pub fields: Vec<FieldError>,
}

impl Errors {
    /// Nothing is wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Only a sentence about the whole.
    #[must_use]
    pub fn about_all(text: impl Into<String>) -> Self {
        Self { banner: Some(text.into()), fields: Vec::new() }
    }

    /// Adds a field's mistake.
    pub fn add(&mut self, field: &'static str, text: impl Into<String>) {
        self.fields.push(FieldError { field, text: text.into() });
    }

    /// Whether anything is wrong.
    #[must_use]
    pub fn any(&self) -> bool {
        self.banner.is_some() || !self.fields.is_empty()
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|error| error.field == field).map(|error| error.text.as_str())
    }

    /// Whether something is wrong with a field.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.of(field).is_some()
    }
}

/// A field's mistake; `field` is the name of the input.
#[derive(Debug, Clone)]
pub struct FieldError {
    /// The input.
    pub field: &'static str,
    /// What to do about it.
    pub text: String,
}

/// An option of a select or a radio.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// One line more, or empty.
    pub hint: String,
    /// Whether it is chosen.
    pub selected: bool,
}

impl Choice {
    /// An option without a hint.
    #[must_use]
    pub fn new(value: impl Into<String>, label: impl Into<String>, selected: bool) -> Self {
        Self { value: value.into(), label: label.into(), hint: String::new(), selected }
    }

    /// With one line more.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// A link with its words.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Where to.
    pub url: String,
    /// What it says.
    pub text: String,
}

/// The way through a long list; `text` is like “51–100 of 120”.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    /// Where one is.
    pub text: String,
    /// The page before.
    pub previous: Option<String>,
    /// The page after.
    pub next: Option<String>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// “3 of 5 keys · 2 creations left, next at 14:20”.
    pub text: String,
    /// What it measures, for screen readers: “Active keys”.
    pub label: String,
    /// Used.
    pub value: u32,
    /// Of how many; nothing when there is no limit, and then no bar is drawn.
    pub max: Option<u32>,
}

impl Meter {
    /// The top of the bar.
    #[must_use]
    pub fn top(&self) -> u32 {
        self.max.unwrap_or(0).max(1)
    }

    /// What the bar shows: never more than there is.
    #[must_use]
    pub fn shown(&self) -> u32 {
        self.value.min(self.top())
    }

    /// How far the bar goes.
    #[must_use]
    pub fn percent(&self) -> u32 {
        (u64::from(self.shown()) * 100 / u64::from(self.top())).try_into().unwrap_or(100)
    }

    /// Nothing is left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.max.is_some_and(|max| self.value >= max)
    }
}
