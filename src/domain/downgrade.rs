//! What a plan that allows less than there is means for an organization (ruling 14), in the words that people read.

use super::org::{OnDowngrade, Plan};

/// What there is that the plan does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrun {
    /// Active keys, where the plan has none.
    NoKeys {
        /// How many are active.
        active: u32,
        /// Whether they are refused meanwhile.
        refused: bool,
    },
    /// More active keys than the plan has room for.
    TooManyKeys {
        /// How many are active.
        active: u32,
        /// How many it has room for.
        max: u32,
    },
}

/// What an organization with so many active keys has that this plan does not allow; nothing when all is well.
#[must_use]
pub fn overrun(plan: &Plan, active: u32, on_downgrade: OnDowngrade) -> Option<Overrun> {
    if !plan.api_keys {
        return (active > 0).then_some(Overrun::NoKeys { active, refused: on_downgrade == OnDowngrade::Refuse });
    }
    plan.active_keys_max.filter(|max| active > *max).map(|max| Overrun::TooManyKeys { active, max })
}

impl Overrun {
    /// What stands in the banner while it lasts: what is exceeded, what stops, what goes on.
    #[must_use]
    pub fn banner(self, plan: &str) -> String {
        match self {
            Self::NoKeys { active, refused: false } => {
                let work = if active == 1 { "keeps working" } else { "keep working" };
                let keys = yours(active);
                format!(
                    "The {plan} plan has no API keys. {keys} {work}, and can be revoked or rotated. No new key can be created."
                )
            }
            Self::NoKeys { active, refused: true } => {
                let are = if active == 1 { "is" } else { "are" };
                let keys = yours(active);
                format!(
                    "The {plan} plan has no API keys. {keys} {are} refused until the plan has API keys again, and can be revoked. No new key can be created."
                )
            }
            Self::TooManyKeys { active, max } => {
                let go = must_go(active, max);
                format!(
                    "{active} keys are active, and the {plan} plan has room for {max}. All of them keep working. No new key can be created until {go} are revoked."
                )
            }
        }
    }

    /// What stands beside a plan that is not chosen yet.
    #[must_use]
    pub fn preview(self) -> String {
        match self {
            Self::NoKeys { active, refused: false } => {
                format!("{} would keep working, but no new one could be created.", yours(active))
            }
            Self::NoKeys { active, refused: true } => format!("{} would be refused.", yours(active)),
            Self::TooManyKeys { active, max } => {
                let (keys, go) = (yours(active), must_go(active, max));
                format!("{keys} would keep working, but no new one could be created until {go} are revoked.")
            }
        }
    }
}

fn yours(active: u32) -> String {
    if active == 1 { "Your active key".to_owned() } else { format!("Your {active} active keys") }
}

/// So many make room for one more: two at least, because there is one too many.
fn must_go(active: u32, max: u32) -> u32 {
    active.saturating_sub(max).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(api_keys: bool, active_keys_max: Option<u32>) -> Plan {
        Plan {
            id: "agency".to_owned(),
            name: "Agency".to_owned(),
            api_keys,
            active_keys_max,
            creations_per_hour: None,
            requests_per_minute: None,
            key_requests_per_minute: None,
            price_text: None,
            billing_prices: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_more_than_the_plan_allows_is_an_overrun() {
        use OnDowngrade::{Keep, Refuse};
        for (api_keys, max, active, on_downgrade, expected) in [
            (true, Some(5), 5, Keep, None),
            (true, Some(5), 6, Keep, Some(Overrun::TooManyKeys { active: 6, max: 5 })),
            (true, Some(5), 6, Refuse, Some(Overrun::TooManyKeys { active: 6, max: 5 })),
            (true, None, 1000, Keep, None),
            (false, None, 0, Refuse, None),
            (false, Some(5), 1, Keep, Some(Overrun::NoKeys { active: 1, refused: false })),
            (false, None, 3, Refuse, Some(Overrun::NoKeys { active: 3, refused: true })),
        ] {
            assert_eq!(overrun(&plan(api_keys, max), active, on_downgrade), expected, "{active} of {max:?}");
        }
    }

    #[test]
    fn the_words_name_what_stops_and_what_goes_on() {
        let words = |overrun: Overrun| (overrun.banner("Agency"), overrun.preview());
        let (banner, preview) = words(Overrun::TooManyKeys { active: 7, max: 5 });
        assert_eq!(
            banner,
            "7 keys are active, and the Agency plan has room for 5. All of them keep working. No new key can be created until 3 are revoked."
        );
        assert_eq!(
            preview,
            "Your 7 active keys would keep working, but no new one could be created until 3 are revoked."
        );
        let (banner, preview) = words(Overrun::NoKeys { active: 1, refused: false });
        assert_eq!(
            banner,
            "The Agency plan has no API keys. Your active key keeps working, and can be revoked or rotated. No new key can be created."
        );
        assert_eq!(preview, "Your active key would keep working, but no new one could be created.");
        let (banner, preview) = words(Overrun::NoKeys { active: 3, refused: true });
        assert!(banner.contains("Your 3 active keys are refused until the plan has API keys again"), "{banner}");
        assert_eq!(preview, "Your 3 active keys would be refused.");
    }
}
