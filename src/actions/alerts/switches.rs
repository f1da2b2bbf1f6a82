//! Who wants to be told of what.

use serde_json::{Map, Value, json};

use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::domain::alert::{AlertKind, Choice, Switch, is_on};
use crate::domain::policy;

/// One switch as the caller finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchView {
    /// About what.
    pub kind: AlertKind,
    /// Which way.
    pub switch: Switch,
    /// On or off.
    pub is_on: bool,
    /// Whether the caller may turn it.
    pub may_turn: bool,
}

/// The switches that concern the caller: their own, and the organization's for those who may see to it.
///
/// # Errors
/// The database's own failure.
pub fn list_switches(scope: &mut OrgScope<'_>) -> Result<Vec<SwitchView>, AppError> {
    policy::in_person(&scope.actor)?;
    let choices = db::alerts::list_choices(scope.conn, &scope.org.id)?;
    let views = AlertKind::SWITCHED.into_iter().flat_map(|kind| Switch::ALL.map(|switch| (kind, switch)));
    let views = views.filter(|(kind, switch)| switch.exists_for(*kind));
    let view = |(kind, switch)| {
        let whose = (switch != Switch::Webhook).then_some(&scope.actor.user);
        let is_on = is_on(&choices, whose, kind, switch);
        SwitchView { kind, switch, is_on, may_turn: policy::may_turn_alert(&scope.actor, switch).is_ok() }
    };
    Ok(views.map(view).collect())
}

/// Turns the caller's switches, and the organization's where they may, so that exactly these are on.
///
/// # Errors
/// `Denied` when one is to be turned that is not for the caller.
pub fn turn_switches(scope: &mut OrgScope<'_>, on: &[(AlertKind, Switch)]) -> Result<(), AppError> {
    let (mut before, mut after) = (Map::new(), Map::new());
    for view in list_switches(scope)? {
        let is_on = on.contains(&(view.kind, view.switch));
        if !view.may_turn {
            // Somebody else's switch does not stand in one's form; to send it is to ask for it.
            if is_on {
                policy::may_turn_alert(&scope.actor, view.switch)?;
            }
            continue;
        }
        if is_on == view.is_on {
            continue;
        }
        let user = (view.switch != Switch::Webhook).then(|| scope.actor.user.clone());
        let choice = Choice { user, kind: view.kind, switch: view.switch, is_on };
        db::alerts::put_choice(scope.conn, &scope.org.id, &choice)?;
        let name = format!("{}.{}", view.kind.as_str(), view.switch.as_str());
        before.insert(name.clone(), json!(view.is_on));
        after.insert(name, json!(is_on));
    }
    if after.is_empty() {
        return Ok(());
    }
    let name = scope.member.user.name.clone();
    let object = (scope.actor.user.to_string(), name);
    scope.audit("notifications.changed", (&object.0, &object.1), Value::Object(before), Value::Object(after))
}
