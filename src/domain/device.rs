//! Signing in on the command line (RFC 8628): the codes, how a device may poll, and the token it gets.

use super::ids::{CliTokenId, DeviceId, OrgId, UserId};
use super::names::is_deceptive;
use super::time::{Span, Timestamp};

/// What the tokens of command lines begin with.
pub const CLI_PREFIX: &str = "krc_";
/// What the codes begin with that only the device knows.
pub const DEVICE_PREFIX: &str = "krd_";
/// The one program that may ask.
pub const CLIENT_ID: &str = "keyrack-cli";
/// The grant that a device asks for.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long a code can be allowed.
pub const CODE_LIFE: Span = Span::minutes(15);
/// How long a code is known after that, so that its device is told why it is over.
pub const CODE_REMEMBERED: Span = Span::hours(1);
/// Codes that are known at once, whoever asked for them.
pub const CODES_MAX: i64 = 10_000;
/// Seconds between two polls, at first.
pub const POLL_SECONDS: i64 = 5;
/// Seconds more after each poll that came too early.
const SLOW_DOWN_SECONDS: i64 = 5;
/// However impatient a device was.
const POLL_SECONDS_MAX: i64 = 300;
/// How long a command line stays signed in.
pub const TOKEN_LIFE: Span = Span::days(90);
/// How exactly the last use of a token is noted: a write per request would be dear.
pub const USED_EVERY: Span = Span::minutes(1);
/// How long a token that is over is kept for its owner to look up.
pub const TOKEN_REMEMBERED: Span = Span::days(30);

/// Letters that no one mixes up, and that spell no words: no vowels, no digits (RFC 8628 6.1).
pub const USER_CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a user code: 34 bits, for a code that lives some minutes and whose guessing is throttled.
pub const USER_CODE_CHARS: usize = 8;
/// Longest name of a device in characters.
const NAME_CHARS_MAX: usize = 60;

/// Where a sign-in of a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody said anything yet.
    Pending,
    /// A person allowed it; the device may fetch its token.
    Allowed,
    /// A person said no.
    Denied,
    /// The device has its token.
    Used,
}

impl DeviceState {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Used => "used",
        }
    }

    /// Reads what `as_str` wrote.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        [Self::Pending, Self::Allowed, Self::Denied, Self::Used].into_iter().find(|state| state.as_str() == text)
    }
}

/// A device that waits to be let in, without the code that only it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What its person reads and types, without the dash.
    pub user_code: String,
    /// What it calls itself.
    pub name: String,
    /// From which address it asked.
    pub address: String,
    /// With which program.
    pub client: String,
    /// When it asked.
    pub created_at: Timestamp,
    /// Until when it can be allowed and fetch its token.
    pub expires_at: Timestamp,
    /// Seconds that it must leave between two polls.
    pub poll_seconds: i64,
    /// When it polled last.
    pub polled_at: Option<Timestamp>,
    /// Where it stands.
    pub state: DeviceState,
    /// Who allowed it.
    pub user: Option<UserId>,
    /// In which organization that person was.
    pub org: Option<OrgId>,
}

/// What a poll is answered with; the words are those of RFC 8628 and RFC 6749.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Not decided yet: come back after the interval.
    Pending,
    /// That was too early; the interval is longer now.
    SlowDown,
    /// A person said no.
    Denied,
    /// Too late.
    Expired,
    /// The device may have its token.
    Allowed,
    /// There is no such code, or its token was fetched before: one answer, so that nobody learns which.
    Unknown,
}

impl Poll {
    /// The `error` of the answer; nothing where there is a token instead.
    #[must_use]
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Pending => Some("authorization_pending"),
            Self::SlowDown => Some("slow_down"),
            Self::Denied => Some("access_denied"),
            Self::Expired => Some("expired_token"),
            Self::Unknown => Some("invalid_grant"),
            Self::Allowed => None,
        }
    }
}

impl Device {
    /// What a poll at `now` is answered with.
    #[must_use]
    pub fn poll(&self, now: Timestamp) -> Poll {
        let is_early = self.polled_at.is_some_and(|at| now < at.plus(Span::seconds(self.poll_seconds)));
        match self.state {
            DeviceState::Used => Poll::Unknown,
            DeviceState::Denied => Poll::Denied,
            DeviceState::Pending | DeviceState::Allowed if now >= self.expires_at => Poll::Expired,
            DeviceState::Allowed => Poll::Allowed,
            DeviceState::Pending if is_early => Poll::SlowDown,
            DeviceState::Pending => Poll::Pending,
        }
    }

    /// The interval after a poll that came too early.
    #[must_use]
    pub fn slower(&self) -> i64 {
        (self.poll_seconds + SLOW_DOWN_SECONDS).min(POLL_SECONDS_MAX)
    }
}

/// A signed-in command line, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliToken {
    /// Its id.
    pub id: CliTokenId,
    /// The person it acts as.
    pub user: UserId,
    /// The organization that its requests are about when they name none.
    pub org: OrgId,
    /// The device it is on.
    pub name: String,
    /// From which address the device asked for it.
    pub address: String,
    /// With which program.
    pub client: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// When it was last used, to a minute.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: String,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

impl CliToken {
    /// Whether it is good at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// A user code from random bytes; those that would favour some letters are passed over. Nothing when the bytes run out.
#[must_use]
pub fn user_code_from(bytes: &[u8]) -> Option<String> {
    let fair = bytes.iter().filter(|&&byte| byte < 240);
    let letters = fair.map(|&byte| char::from(USER_CODE_LETTERS[usize::from(byte) % USER_CODE_LETTERS.len()]));
    let code: String = letters.take(USER_CODE_CHARS).collect();
    (code.len() == USER_CODE_CHARS).then_some(code)
}

/// Reads a user code as it is typed: in any case, with spaces, dashes and dots anywhere.
#[must_use]
pub fn read_user_code(text: &str) -> Option<String> {
    // Whoever pastes a page must not make us go through all of it.
    let letters = text.chars().take(100).filter(|c| !c.is_whitespace() && !is_dash(*c) && !is_deceptive(*c));
    let code: String = letters.map(|c| c.to_ascii_uppercase()).collect();
    let fits = code.len() == USER_CODE_CHARS && code.bytes().all(|byte| USER_CODE_LETTERS.contains(&byte));
    fits.then_some(code)
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// `BCDFGHJK` as people read it: `BCDF-GHJK`.
#[must_use]
pub fn show_user_code(code: &str) -> String {
    match code.split_at_checked(USER_CODE_CHARS / 2) {
        Some((left, right)) => format!("{left}-{right}"),
        None => code.to_owned(),
    }
}

/// A device's name from what a program sent, which need not have been typed by a person: what hides or is too long is left
/// out, and a device without a name is called so.
#[must_use]
pub fn device_name(text: &str) -> String {
    let kept: String = text.chars().filter(|&c| !is_deceptive(c)).take(NAME_CHARS_MAX).collect();
    let kept = kept.trim();
    if kept.chars().any(char::is_alphanumeric) { kept.to_owned() } else { "a device without a name".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_795_255_200_000_000);

    fn device(state: DeviceState) -> Device {
        Device {
            id: "dev_1".into(),
            user_code: "BCDFGHJK".to_owned(),
            name: "ada-laptop".to_owned(),
            address: "203.0.113.7".to_owned(),
            client: String::new(),
            created_at: START,
            expires_at: START.plus(CODE_LIFE),
            poll_seconds: POLL_SECONDS,
            polled_at: None,
            state,
            user: None,
            org: None,
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for typed in
            ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "b-c-d-f.g_h j k", "BCDF\u{2011}GHJK", "BCDF\u{2013}GHJK\n"]
        {
            assert_eq!(read_user_code(typed).as_deref(), Some("BCDFGHJK"), "{typed:?}");
        }
        for wrong in ["", "BCDFGHJ", "BCDFGHJKL", "ACDFGHJK", "BCDFGHJ1", "BCDFGHJü", &"B ".repeat(60)] {
            assert_eq!(read_user_code(wrong), None, "{wrong:?}");
        }
        assert_eq!(show_user_code("BCDFGHJK"), "BCDF-GHJK");
    }

    #[test]
    fn a_code_is_made_of_fair_letters() {
        assert_eq!(user_code_from(&[0, 255, 1, 2, 240, 3, 4, 5, 6, 239]).as_deref(), Some("BCDFGHJZ"));
        assert_eq!(user_code_from(&[250; 64]), None);
    }

    #[test]
    fn a_device_that_polls_too_early_is_slowed_down_and_otherwise_told_how_it_stands() {
        let at = |seconds| START.plus(Span::seconds(seconds));
        let mut waiting = device(DeviceState::Pending);
        assert_eq!(waiting.poll(at(0)), Poll::Pending);
        waiting.polled_at = Some(at(0));
        assert_eq!(waiting.poll(at(4)), Poll::SlowDown);
        assert_eq!(waiting.poll(at(5)), Poll::Pending);
        assert_eq!(waiting.slower(), 10);
        waiting.poll_seconds = POLL_SECONDS_MAX;
        assert_eq!(waiting.slower(), POLL_SECONDS_MAX);
        assert_eq!(waiting.poll(at(900)), Poll::Expired);
        assert_eq!(waiting.poll(at(299)), Poll::SlowDown);
        // A token that waits is not kept back, but it does not wait for ever.
        let allowed = Device { polled_at: Some(at(0)), ..device(DeviceState::Allowed) };
        assert_eq!((allowed.poll(at(1)), allowed.poll(at(900))), (Poll::Allowed, Poll::Expired));
        assert_eq!(device(DeviceState::Denied).poll(at(901)), Poll::Denied);
        assert_eq!(device(DeviceState::Used).poll(at(1)), Poll::Unknown);
    }

    #[test]
    fn whatever_a_device_calls_itself_its_name_can_be_shown() {
        assert_eq!(device_name("  ada-laptop "), "ada-laptop");
        assert_eq!(device_name("a\u{202E}b\u{1b}[31m"), "ab[31m");
        assert_eq!(device_name(&"x".repeat(99)).len(), 60);
        for nameless in ["", "  ", "---", "\u{200B}"] {
            assert_eq!(device_name(nameless), "a device without a name");
        }
    }
}
