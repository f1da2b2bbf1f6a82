//! An organization that has been in use for a while: keys of every kind, so that pages have something to show.

use keyrack::actions::act_in;
use keyrack::actions::keys::{NewKey, RevokeInput, revoke_key, rotate_key};
use keyrack::domain::key::Grace;

use super::TestApp;
use super::app::MadeKey;

/// The keys of the lived-in organization.
pub(crate) struct LivedIn {
    /// Olive's, in use.
    pub(crate) in_use: MadeKey,
    /// Olive's, in the middle of a rotation.
    pub(crate) rotating: MadeKey,
    /// Bea's, never used.
    pub(crate) unused: MadeKey,
    /// Ben's, revoked.
    pub(crate) revoked: MadeKey,
}

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

impl TestApp {
    /// Moves in. The clock is afterwards where it was.
    pub(crate) async fn live_in(&self) -> LivedIn {
        self.advance_micros(-40 * DAY);
        let rotating = self.db_create_key("olive", "Deploy script");
        let unused = self.db_create_key("bea", "Laptop, for trying things out");
        let new = NewKey { expires: Some("7d".into()), name: "Trial of September".into(), ..NewKey::default() };
        self.db_try_create_key("ada", &new).unwrap();
        self.use_key(&rotating.secret).await;
        self.advance_micros(30 * DAY);
        let revoked = self.db_create_key("ben", "Pasted into a ticket");
        self.use_key(&revoked.secret).await;
        self.advance_micros(7 * DAY);
        self.db_act("olive", |conn, ctx, who, org| {
            act_in(conn, ctx, who, org, |scope| {
                let input = RevokeInput { reason: "Found in ticket 4711".into(), confirm_name: None };
                revoke_key(scope, &revoked.id.as_str().into(), &input).map(|_| ())
            })
        })
        .unwrap();
        let in_use = self.db_create_key("olive", "CI/CD pipeline");
        let new = NewKey {
            expires: Some("8d".into()),
            name: "Überlange-Bezeichnung-ohne-ein-einziges-Leerzeichen-mittendrin".chars().take(60).collect(),
            note: "Nightly export of the billing data to the warehouse, see the runbook".into(),
            ..NewKey::default()
        };
        self.db_try_create_key("ada", &new).unwrap();
        self.advance_micros(3 * DAY - 2 * HOUR);
        let rotated = self
            .db_act("olive", |conn, ctx, who, org| {
                act_in(conn, ctx, who, org, |scope| rotate_key(scope, &rotating.id.as_str().into(), Grace::Day, None))
            })
            .unwrap();
        self.learn(rotated.secret.expect("a new secret").reveal());
        self.advance_micros(HOUR);
        self.use_key(&rotating.secret).await;
        self.use_key(&in_use.secret).await;
        self.advance_micros(HOUR);
        LivedIn { in_use, rotating, unused, revoked }
    }

    async fn use_key(&self, secret: &str) {
        self.key(secret).get("/v1/whoami").await.assert_status(200);
    }
}
