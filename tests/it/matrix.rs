//! Who may do what: every route of the table, times every kind of caller, times whose object it is. A route that is not in
//! the tables below fails, and so does a line for a route that is gone. Whatever is refused must have changed nothing, and no
//! GET or HEAD may change anything for anybody.

use std::collections::BTreeSet;

use keyrack::actions::keys::{RevokeInput, revoke_key, rotate_key};
use keyrack::actions::people::{begin_device, invite};
use keyrack::domain::ids::UserId;
use keyrack::domain::key::Grace;
use keyrack::domain::org::User;
use keyrack::domain::time::Span;
use keyrack::web::routes;

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::actor::Visitor;
use crate::support::answer::Answer;
use crate::support::app::{MadeKey, Request};
use crate::support::keys::manageable;

/// Reviewed by hand. The columns are the answers to
///   out       nobody, and somebody whose session has expired (`in`: led to sign in)
///   gone      a removed member with a live session
///   stranger  the owner of another organization
///   builder   Ben
///   admin     Ada
///   owner     Olive, the only one
/// `n`: refused, and noted in the log of the account that was tried,
/// and objects are Ben's `own`, his `colleague`'s, a `foreign` organization's, or `missing`. After `|`: the form.
const PAGES: &str = "
GET  /                                                           303 303 303 303 303 303
GET  /healthz                                                    200 200 200 200 200 200
GET  /readyz                                                     200 200 200 200 200 200
GET  /metrics                                                    404 404 404 404 404 404
GET  /static/{file=missing}                                      404 404 404 404 404 404
GET  /.well-known/security.txt                                   404 404 404 404 404 404
GET  /llms.txt                                                   200 200 200 200 200 200
GET  /docs                                                       200 200 200 200 200 200
GET  /docs/{page=backup}                                         200 200 200 200 200 200
GET  /setup                                                      404 404 404 404 404 404
POST /setup                                                      404 404 404 404 404 404 | token=x&email=a@b.example&name=A&password=correct horse battery&organization=A
GET  /sign-in                                                    200 303 303 303 303 303
POST /sign-in                                                    422n 422n 422n 422n 422n 422n | email=ben@acme.example&password=wrong
POST /sign-out                                                   303 303 303 303 303 303 |
GET  /sign-up                                                    404 404 404 404 404 404
POST /sign-up                                                    404 404 404 404 404 404 | email=a@b.example&name=A&password=correct horse battery&organization=A
GET  /join                                                       200 200 200 200 200 200
POST /join                                                       422 422 422 422 422 422 | token=x&step=join&name=A&password=correct horse battery

GET  /device                                                     in  200 200 200 200 200
GET  /device?user_code=BCDF-GHJK                                 in  200 200 200 200 200
POST /device                                                     in  422 422 422 422 422 | user_code=BCDF-GHJK
POST /device                                                     in  422 422 422 422 422 | user_code=BCDF-GHJK&decision=allow&org=acme
POST /device                                                     in  200 200 200 200 200 | user_code={waiting}
POST /device                                                     in  422 422 303 303 303 | user_code={waiting}&decision=allow&org=acme
POST /device                                                     in  303 303 303 303 303 | user_code={waiting}&decision=deny
GET  /orgs                                                       in  200 200 200 200 200
POST /orgs                                                       in  303 303 303 303 303 | organization=New
GET  /settings/api-keys                                          in  303 303 303 303 303
GET  /account/security                                           in  200 200 200 200 200
POST /account/security                                           in  422n 422n 422n 422n 422n | current_password=wrong&password=another horse battery
POST /account/name                                               in  303 303 303 303 303 | name=Somebody
GET  /account/sessions                                           in  200 200 200 200 200
POST /account/sessions                                           in  404 404 404 404 404 | end=ses_missing
GET  /account/appearance                                         in  200 200 200 200 200
POST /account/appearance                                         in  303 303 303 303 303 | theme=dark

GET  /orgs/{org}/settings/members                                in  404 404 200 200 200
GET  /orgs/{org}/settings/members/invite                         in  404 404 403 200 200
POST /orgs/{org}/settings/members/invite                         in  404 404 403 200 200 | email=new@acme.example&role=builder
POST /orgs/{org}/settings/members/invite                         in  404 404 403 403 200 | email=new@acme.example&role=owner
POST /orgs/{org}/settings/members/invitations/{id=invited}/withdraw in 404 404 403 303 303 |
POST /orgs/{org}/settings/members/invitations/{id=missing}/withdraw in 404 404 403 404 404 |
GET  /orgs/{org}/settings/members/{user=usr_bea}/role            in  404 404 303 303 303
POST /orgs/{org}/settings/members/{user=usr_bea}/role            in  404 404 403 303 303 | role=admin
POST /orgs/{org}/settings/members/{user=usr_bea}/role            in  404 404 403 403 303 | role=owner
POST /orgs/{org}/settings/members/{user=usr_ben}/role            in  404 404 403 303 303 | role=admin
POST /orgs/{org}/settings/members/{user=usr_ada}/role            in  404 404 403 303 303 | role=builder
POST /orgs/{org}/settings/members/{user=usr_ada}/role            in  404 404 403 403 303 | role=owner
POST /orgs/{org}/settings/members/{user=usr_olive}/role          in  404 404 403 403 409 | role=builder
POST /orgs/{org}/settings/members/{user=usr_xavier}/role         in  404 404 403 404 404 | role=builder
POST /orgs/{org}/settings/members/{user=missing}/role            in  404 404 403 404 404 | role=builder
GET  /orgs/{org}/settings/members/{user=usr_bea}/remove          in  404 404 403 200 200
GET  /orgs/{org}/settings/members/{user=usr_xavier}/remove       in  404 404 404 404 404
POST /orgs/{org}/settings/members/{user=usr_bea}/remove          in  404 404 403 303 303 | keys=revoke
POST /orgs/{org}/settings/members/{user=usr_bea}/remove          in  404 404 403 303 303 | keys=transfer
POST /orgs/{org}/settings/members/{user=usr_olive}/remove        in  404 404 403 403 409 | keys=revoke
POST /orgs/{org}/settings/members/{user=usr_xavier}/remove       in  404 404 404 404 404 | keys=revoke
POST /orgs/{org}/settings/members/{user=missing}/remove          in  404 404 404 404 404 | keys=revoke
GET  /orgs/{org}/settings/organization                           in  404 404 200 200 200
POST /orgs/{org}/settings/organization                           in  404 404 403 403 303 | name=Acme Ltd
GET  /orgs/{org}/settings/organization/leave                     in  404 404 200 200 200
POST /orgs/{org}/settings/organization/leave                     in  404 404 303 303 409 |
GET  /orgs/{org}/settings/profiles                               in  404 404 200 200 200
POST /orgs/{org}/settings/profiles                               in  404 404 403 303 303 | name=Second
GET  /orgs/{org}/settings/profiles/{id=prof_acme}                in  404 404 403 200 200
GET  /orgs/{org}/settings/profiles/{id=prof_globex}              in  404 404 403 404 404
POST /orgs/{org}/settings/profiles/{id=prof_acme}                in  404 404 403 303 303 | name=First
POST /orgs/{org}/settings/profiles/{id=prof_globex}              in  404 404 403 404 404 | name=First
GET  /orgs/{org}/settings/plan                                   in  404 404 200 200 200
POST /orgs/{org}/settings/plan                                   in  404 404 303 303 303 | plan=pro
POST /orgs/{org}/settings/plan                                   in  404 404 422 422 422 | plan=standard
POST /orgs/{org}/settings/plan                                   in  404 404 303 303 303 | withdraw=mine
POST /orgs/{org}/settings/plan                                   in  404 404 303 403 303 | withdraw=usr_ben
POST /orgs/{org}/settings/plan                                   in  404 404 403 403 303 | withdraw=usr_bea
GET  /orgs/{org}/settings/notifications                          in  404 404 200 200 200
POST /orgs/{org}/settings/notifications                          in  404 404 303 303 303 | on=created.email_own
POST /orgs/{org}/settings/notifications                          in  404 404 403 303 303 | on=created.email_all
POST /orgs/{org}/settings/notifications                          in  404 404 403 303 303 | on=created.webhook
POST /orgs/{org}/settings/notifications/test                     in  404 404 409 409 409 |
POST /orgs/{org}/settings/notifications/webhooks                 in  404 404 403 200 200 | url=https://example.com/hooks
GET  /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}   in  404 404 403 200 200
GET  /orgs/{org}/settings/notifications/webhooks/{id=whe_globex} in  404 404 403 404 404
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/test   in  404 404 403 303 303 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_globex}/test in  404 404 403 404 404 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/enable in  404 404 403 303 303 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_globex}/enable in 404 404 403 404 404 |
GET  /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/rotate in  404 404 403 200 200
GET  /orgs/{org}/settings/notifications/webhooks/{id=whe_globex}/rotate in 404 404 403 404 404
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/rotate in  404 404 403 200 200 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_globex}/rotate in 404 404 403 404 404 |
GET  /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/remove in  404 404 403 200 200
GET  /orgs/{org}/settings/notifications/webhooks/{id=whe_globex}/remove in 404 404 403 404 404
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/remove in  404 404 403 303 303 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_globex}/remove in 404 404 403 404 404 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/deliveries/{delivery=dlv_acme}/redeliver     in 404 404 403 303 303 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_acme}/deliveries/{delivery=dlv_globex}/redeliver   in 404 404 403 404 404 |
POST /orgs/{org}/settings/notifications/webhooks/{id=whe_globex}/deliveries/{delivery=dlv_globex}/redeliver in 404 404 403 404 404 |
GET  /orgs/{org}/settings/leaks                                  in  404 404 403 200 200
POST /orgs/{org}/settings/leaks                                  in  404 404 403 200 200 | found=kr_x
GET  /orgs/{org}/settings/audit                                  in  404 404 403 200 200
GET  /orgs/{org}/settings/audit/export                           in  404 404 403 200 200

GET  /orgs/{org}/logs                                            in  404 404 200 200 200
GET  /orgs/{org}/logs?key={id=own}                               in  404 404 200 200 200
GET  /orgs/{org}/logs?key={id=colleague}                         in  404 404 403 200 200
GET  /orgs/{org}/logs?key={id=foreign}                           in  404 404 404 404 404
GET  /orgs/{org}/logs?key={id=missing}                           in  404 404 404 404 404
GET  /orgs/{org}/logs/stream                                     in  404 404 200 200 200
GET  /orgs/{org}/logs/stream?key={id=own}                        in  404 404 200 200 200
GET  /orgs/{org}/logs/stream?key={id=colleague}                  in  404 404 403 200 200
GET  /orgs/{org}/logs/stream?key={id=foreign}                    in  404 404 404 404 404

GET  /orgs/{org}/settings/api-keys                               in  404 404 200 200 200
POST /orgs/{org}/settings/api-keys                               in  404 404 200 200 200 | name=new
GET  /orgs/{org}/settings/api-keys/new                           in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/revoke                        in  404 404 200 200 200
POST /orgs/{org}/settings/api-keys/revoke                        in  404 404 200 200 200 | ids={own}&confirm_count=1
POST /orgs/{org}/settings/api-keys/revoke                        in  404 404 422 200 200 | ids={colleague}&confirm_count=1
POST /orgs/{org}/settings/api-keys/revoke                        in  404 404 422 422 422 | ids={foreign}&confirm_count=1
GET  /orgs/{org}/settings/api-keys/{id=own}                      in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/{id=colleague}                in  404 404 403 200 200
GET  /orgs/{org}/settings/api-keys/{id=foreign}                  in  404 404 404 404 404
GET  /orgs/{org}/settings/api-keys/{id=missing}                  in  404 404 404 404 404
POST /orgs/{org}/settings/api-keys/{id=own}                      in  404 404 303 303 303 | name=renamed&note=n
POST /orgs/{org}/settings/api-keys/{id=colleague}                in  404 404 403 303 303 | name=renamed&note=n
POST /orgs/{org}/settings/api-keys/{id=foreign}                  in  404 404 404 404 404 | name=renamed&note=n
POST /orgs/{org}/settings/api-keys/{id=missing}                  in  404 404 404 404 404 | name=renamed&note=n
GET  /orgs/{org}/settings/api-keys/{id=own}/rotation             in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/{id=colleague}/rotation       in  404 404 403 200 200
GET  /orgs/{org}/settings/api-keys/{id=foreign}/rotation         in  404 404 404 404 404
GET  /orgs/{org}/settings/api-keys/{id=own}/rotate               in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/{id=colleague}/rotate         in  404 404 403 200 200
GET  /orgs/{org}/settings/api-keys/{id=foreign}/rotate           in  404 404 404 404 404
POST /orgs/{org}/settings/api-keys/{id=own}/rotate               in  404 404 200 403 403 | grace=now
POST /orgs/{org}/settings/api-keys/{id=colleague}/rotate         in  404 404 403 403 403 | grace=now
POST /orgs/{org}/settings/api-keys/{id=foreign}/rotate           in  404 404 404 404 404 | grace=now
POST /orgs/{org}/settings/api-keys/{id=missing}/rotate           in  404 404 404 404 404 | grace=now
GET  /orgs/{org}/settings/api-keys/{id=own}/rotate/finish        in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/{id=colleague}/rotate/finish  in  404 404 403 200 200
POST /orgs/{org}/settings/api-keys/{id=own}/rotate/finish        in  404 404 303 303 303 |
POST /orgs/{org}/settings/api-keys/{id=colleague}/rotate/finish  in  404 404 403 303 303 |
POST /orgs/{org}/settings/api-keys/{id=foreign}/rotate/finish    in  404 404 404 404 404 |
POST /orgs/{org}/settings/api-keys/{id=missing}/rotate/finish    in  404 404 404 404 404 |
GET  /orgs/{org}/settings/api-keys/{id=own}/revoke               in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/{id=colleague}/revoke         in  404 404 403 200 200
GET  /orgs/{org}/settings/api-keys/{id=foreign}/revoke           in  404 404 404 404 404
POST /orgs/{org}/settings/api-keys/{id=own}/revoke               in  404 404 303 303 303 | confirm_name=own
POST /orgs/{org}/settings/api-keys/{id=colleague}/revoke         in  404 404 403 303 303 | confirm_name=colleague
POST /orgs/{org}/settings/api-keys/{id=foreign}/revoke           in  404 404 404 404 404 | confirm_name=foreign
POST /orgs/{org}/settings/api-keys/{id=missing}/revoke           in  404 404 404 404 404 | confirm_name=foreign
GET  /orgs/{org}/settings/api-keys/{id=own}/pause                in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/{id=colleague}/pause          in  404 404 403 200 200
GET  /orgs/{org}/settings/api-keys/{id=foreign}/pause            in  404 404 404 404 404
POST /orgs/{org}/settings/api-keys/{id=own}/pause                in  404 404 303 303 303 |
POST /orgs/{org}/settings/api-keys/{id=colleague}/pause          in  404 404 403 303 303 |
POST /orgs/{org}/settings/api-keys/{id=foreign}/pause            in  404 404 404 404 404 |
POST /orgs/{org}/settings/api-keys/{id=missing}/pause            in  404 404 404 404 404 |
GET  /orgs/{org}/settings/api-keys/{id=own}/resume               in  404 404 200 200 200
GET  /orgs/{org}/settings/api-keys/{id=colleague}/resume         in  404 404 403 200 200
GET  /orgs/{org}/settings/api-keys/{id=foreign}/resume           in  404 404 404 404 404
POST /orgs/{org}/settings/api-keys/{id=own}/resume               in  404 404 303 303 303 |
POST /orgs/{org}/settings/api-keys/{id=colleague}/resume         in  404 404 403 303 303 |
POST /orgs/{org}/settings/api-keys/{id=foreign}/resume           in  404 404 404 404 404 |
POST /orgs/{org}/settings/api-keys/{id=missing}/resume           in  404 404 404 404 404 |
";

/// The columns: no credential, a revoked key, a service token, the key of another organization's owner, Ben's own key, a key
/// of Ada's, Ben's command line; keys may manage keys here. After `|`: the JSON.
const API: &str = r#"
GET   /v1/openapi.json                          200 200 200 200 200 200 200
POST  /v1/scanning/github                       404 404 404 404 404 404 404 | []
POST  /v1/scanning/gitlab                       404 404 404 404 404 404 404 | []
POST  /v1/keys/self/revoke                      401 401 401 200 200 200 401 | {}
POST  /v1/billing/stripe                        400 400 400 400 400 400 400 | {"id": "evt_1", "type": "x", "created": 1, "data": {"object": {}}}
GET   /v1/brand                                 200 200 200 200 200 200 200
POST  /v1/device/code                           415 415 415 415 415 415 415 | {}
POST  /v1/device/token                          415 415 415 415 415 415 415 | {}
POST  /v1/device/revoke                         401 401 403 403 403 403 204 | {}
GET   /v1/whoami                                401 401 200 200 200 200 200
ANY   /v1/auth                                  401 401 401 200 200 200 401
ANY   /v1/auth/{path:.*=a/b}                    401 401 401 200 200 200 401
ANY   /v1/auth/{path:.*=nginx}                  401 401 401 200 200 200 401
ANY   /v1/auth/{path:.*=require/role:admin}     401 401 401 200 403 200 401
ANY   /v1/auth/{path:.*=require/role:root}      403 403 403 403 403 403 403
GET   /v1/orgs                                  401 401 403 200 200 200 200
GET   /v1/profiles                              401 401 403 200 200 200 200
POST  /v1/profiles                              401 401 403 201 403 201 403 | {"name": "new"}
GET   /v1/members                               401 401 403 200 200 200 200
GET   /v1/keys                                  401 401 403 200 200 200 200
POST  /v1/keys                                  401 401 403 201 201 201 201 | {"name": "new"}
POST  /v1/keys/verify                           401 401 200 403 403 403 403 | {"key": "kr_x"}
GET   /v1/keys/{id=own}                         401 401 403 404 200 200 200
GET   /v1/keys/{id=colleague}                   401 401 403 404 403 200 403
GET   /v1/keys/{id=foreign}                     401 401 403 200 404 404 404
GET   /v1/keys/{id=missing}                     401 401 403 404 404 404 404
PATCH /v1/keys/{id=own}                         401 401 403 404 200 200 200 | {"name": "new"}
PATCH /v1/keys/{id=colleague}                   401 401 403 404 403 200 403 | {"name": "new"}
PATCH /v1/keys/{id=foreign}                     401 401 403 200 404 404 404 | {"name": "new"}
PATCH /v1/keys/{id=missing}                     401 401 403 404 404 404 404 | {"name": "new"}
GET   /v1/keys/{id=own}/stats                   401 401 403 404 200 200 200
GET   /v1/keys/{id=colleague}/stats             401 401 403 404 403 200 403
GET   /v1/keys/{id=foreign}/stats               401 401 403 200 404 404 404
GET   /v1/keys/{id=missing}/stats               401 401 403 404 404 404 404
GET   /v1/events                                401 401 403 200 200 200 200
GET   /v1/events?key={id=own}                   401 401 403 404 200 200 200
GET   /v1/events?key={id=colleague}             401 401 403 404 403 200 403
GET   /v1/events?key={id=foreign}               401 401 403 200 404 404 404
GET   /v1/events?key={id=missing}               401 401 403 404 404 404 404
POST  /v1/events                                401 401 202 403 403 403 403 | [{"request_id": "x", "status": 200, "duration_ms": 1}]
GET   /v1/events/stream                         401 401 403 200 200 200 200
GET   /v1/events/stream?key={id=own}            401 401 403 404 200 200 200
GET   /v1/events/stream?key={id=colleague}      401 401 403 404 403 200 403
GET   /v1/events/stream?key={id=foreign}        401 401 403 200 404 404 404
POST  /v1/keys/{id=own}/rotate                  401 401 403 404 200 403 200 | {"grace": "now"}
POST  /v1/keys/{id=colleague}/rotate            401 401 403 404 403 403 403 | {"grace": "now"}
POST  /v1/keys/{id=foreign}/rotate              401 401 403 200 404 404 404 | {"grace": "now"}
POST  /v1/keys/{id=missing}/rotate              401 401 403 404 404 404 404 | {"grace": "now"}
POST  /v1/keys/{id=own}/revoke                  401 401 403 404 200 200 200 | {}
POST  /v1/keys/{id=colleague}/revoke            401 401 403 404 403 200 403 | {}
POST  /v1/keys/{id=foreign}/revoke              401 401 403 200 404 404 404 | {}
POST  /v1/keys/{id=missing}/revoke              401 401 403 404 404 404 404 | {}
POST  /v1/keys/{id=own}/pause                   401 401 403 404 200 200 200 |
POST  /v1/keys/{id=colleague}/pause             401 401 403 404 403 200 403 |
POST  /v1/keys/{id=foreign}/pause               401 401 403 200 404 404 404 |
POST  /v1/keys/{id=missing}/pause               401 401 403 404 404 404 404 |
POST  /v1/keys/{id=own}/resume                  401 401 403 404 200 200 200 |
POST  /v1/keys/{id=colleague}/resume            401 401 403 404 403 200 403 |
POST  /v1/keys/{id=foreign}/resume              401 401 403 200 404 404 404 |
POST  /v1/keys/{id=missing}/resume              401 401 403 404 404 404 404 |
"#;

/// A line of a table.
struct Line {
    method: &'static str,
    path: &'static str,
    answers: Vec<&'static str>,
    body: &'static str,
}

fn lines(table: &'static str) -> impl Iterator<Item = Line> {
    table.lines().filter(|line| !line.is_empty()).map(|line| {
        let (left, body) = line.split_once('|').unwrap_or((line, ""));
        let mut words = left.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        Line { method, path, answers: words.collect(), body: body.trim() }
    })
}

/// `{id=own}` as the route has it: `{id}`.
fn pattern(path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let mut parts = path.split('=');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |pattern, part| pattern + &part[part.find('}').unwrap()..])
}

#[test]
fn the_tables_name_every_route_and_no_other() {
    let routes: BTreeSet<(String, String)> =
        routes::all().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    let named = lines(PAGES).chain(lines(API)).map(|line| (line.method.to_owned(), pattern(line.path))).collect();
    let unknown: Vec<_> = routes.difference(&named).collect();
    assert!(unknown.is_empty(), "who may use these? {unknown:#?}");
    let gone: Vec<_> = named.difference(&routes).collect();
    assert!(gone.is_empty(), "these routes are gone: {gone:#?}");
}

/// Both organizations with keys in them, ready for every line.
struct World {
    app: TestApp,
    own: MadeKey,
    colleague: MadeKey,
    foreign: MadeKey,
    admin: MadeKey,
    revoked: MadeKey,
    service: String,
    command_line: String,
    invited: String,
    waiting: String,
}

impl World {
    fn new() -> Self {
        let app = TestApp::with(|setup| {
            manageable(setup);
            setup.rules.plans.push(crate::support::app::plan("pro", "Pro"));
            setup.config.billing_secrets.push("whsec_of_nobody_here".into());
        });
        let [own, colleague, foreign, admin, revoked] =
            [("ben", "own"), ("bea", "colleague"), ("xavier", "foreign"), ("ada", "admin"), ("ben", "revoked")]
                .map(|(who, name)| app.db_create_key(who, name));
        let gone = User {
            id: UserId::from("usr_gone"),
            email: "gone@acme.example".into(),
            name: "Gone".into(),
            disabled_at: None,
        };
        let now = app.now();
        let insert = |conn: &mut _| keyrack::db::users::insert_user(conn, &gone, "-", now);
        app.database.run(|conn| keyrack::db::write(conn, insert).unwrap());
        for (who, key) in [("ben", &own), ("bea", &colleague)] {
            app.db_deed(who, |scope| rotate_key(scope, &key.id.as_str().into(), Grace::Day, None));
        }
        app.db_deed("olive", |scope| {
            revoke_key(scope, &revoked.id.as_str().into(), &RevokeInput::default())?;
            invite(scope, "guest@acme.example", "builder", None)
        });
        let invited = app.database.lines("SELECT id AS line FROM one_time_links").remove(0);
        let (service, command_line) = (service_token(&app), app.db_command_line("ben"));
        // A use is noted once a minute; so that checking changes no row, all were used a moment from now.
        for table in ["api_keys", "key_secrets"] {
            app.database.execute(&format!("UPDATE {table} SET last_used_at = created_at + 600000000"));
        }
        let waiting = app.db_act("ben", |conn, ctx, _, _| begin_device(conn, ctx, "ada-laptop")).unwrap();
        let waiting = waiting.device.user_code;
        app.database.execute("UPDATE cli_tokens SET last_used_at = created_at + 600000000");
        for slug in ["acme", "globex"] {
            add_webhook(&app, slug);
        }
        Self { app, own, colleague, foreign, admin, revoked, service, command_line, invited, waiting }
    }

    fn fill(&self, text: &str) -> String {
        let objects = [
            ("own", &self.own.id),
            ("colleague", &self.colleague.id),
            ("foreign", &self.foreign.id),
            ("invited", &self.invited),
            ("waiting", &self.waiting),
        ];
        let mut text = text.replace("{org}", "acme");
        for (name, id) in objects {
            text = text.replace(&format!("{{id={name}}}"), id).replace(&format!("{{{name}}}"), id);
        }
        // What is left stands for itself: `{user=usr_bea}`.
        while let (Some(from), Some(to)) = (text.find('{'), text.find('}')) {
            let value = text[from..to].split('=').nth(1).unwrap().to_owned();
            text.replace_range(from..=to, &value);
        }
        text
    }

    fn visitor(&self, column: usize) -> Visitor<'_> {
        match column {
            0 => self.app.visitor(),
            1 => self.app.enter_since(&UserId::from("usr_gone"), self.app.now()),
            at => self.app.enter(["xavier", "ben", "ada", "olive"][at - 2]),
        }
    }

    /// All that matters, without what a visit may leave: sessions, and counts of failed tries.
    fn state(&self) -> String {
        let dump = self.app.database.dump();
        let lines = dump.lines().filter(|line| !line.starts_with("sessions ") && !line.starts_with("throttles "));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn request(&self, line: &Line) -> Request {
        let request = Request::new(line.method, &self.fill(line.path));
        if line.method == "GET" {
            return request;
        }
        let form: Vec<(String, String)> = line
            .body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), self.fill(value)))
            .collect();
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        request.form(&form)
    }
}

/// An endpoint of an organization, and what was sent there.
fn add_webhook(app: &TestApp, slug: &str) {
    for statement in [
        "INSERT INTO webhook_endpoints (id, org_id, url, secret, created_at, created_by) \
         VALUES ('whe_SLUG', 'org_SLUG', 'https://SLUG.example/hooks', 'sealed', 1, 'usr_ada')",
        "INSERT INTO alerts (id, org_id, kind, once, at, facts, fanned_out_at) \
         VALUES ('alr_SLUG', 'org_SLUG', 'test', 'alr_SLUG', 1, '{}', 1)",
        "INSERT INTO alert_deliveries (id, alert_id, org_id, channel, recipient, state, created_at, next_attempt_at) \
         VALUES ('dlv_SLUG', 'alr_SLUG', 'org_SLUG', 'webhook', 'whe_SLUG', 'sent', 1, 1)",
    ] {
        app.database.execute(&statement.replace("SLUG", slug));
    }
}

/// Whether the answer is what the table says.
fn is_as_expected(answer: &Answer, expected: &str) -> bool {
    let place = answer.header("location").unwrap_or("");
    match expected {
        "in" => answer.status == 303 && (place == "/sign-in" || place.starts_with("/sign-in?next=")),
        status => {
            answer.status.to_string() == status.trim_end_matches('n')
                && !(answer.status == 303 && place.starts_with("/sign-in?"))
        }
    }
}

/// Sends each request of these lines as each caller, in a world that is made anew after each deed that was done.
async fn check_pages(is_mine: impl Fn(&str) -> bool) {
    let (mut world, mut wrong) = (World::new(), Vec::new());
    let mut before = world.state();
    for line in lines(PAGES).filter(|line| is_mine(line.path)) {
        for (column, expected) in line.answers.iter().enumerate() {
            let mut answers = vec![world.visitor(column).send(world.request(&line)).await];
            if column == 0 {
                let long_ago = world.app.now().minus(Span::days(31));
                let expired = world.app.enter_since(&UserId::from("usr_olive"), long_ago);
                answers.push(expired.send(world.request(&line)).await);
            }
            let after = world.state();
            for answer in &answers {
                if !is_as_expected(answer, expected) {
                    wrong.push(format!(
                        "{} {} as {column}: {} instead of {expected}",
                        line.method, line.path, answer.status
                    ));
                }
                let is_refused = *expected == "in" || (answer.status >= 400 && !expected.ends_with('n'));
                if (line.method == "GET" || is_refused) && before != after {
                    wrong.push(format!(
                        "{} {} as {column}: {}, and something changed",
                        line.method, line.path, answer.status
                    ));
                }
            }
            if before != after {
                world = World::new();
                before = world.state();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn is_about_keys(path: &str) -> bool {
    path.contains("/settings/api-keys")
}

#[actix_web::test]
async fn pages_of_keys_let_in_whom_the_table_says() {
    check_pages(|path| is_about_keys(path) && !path.contains("/rotate")).await;
}

#[actix_web::test]
async fn pages_of_rotation_let_in_whom_the_table_says() {
    check_pages(|path| is_about_keys(path) && path.contains("/rotate")).await;
}

#[actix_web::test]
async fn pages_of_members_let_in_whom_the_table_says() {
    check_pages(|path| path.contains("/settings/members")).await;
}

#[actix_web::test]
async fn all_other_pages_let_in_whom_the_table_says() {
    check_pages(|path| !is_about_keys(path) && !path.contains("/settings/members")).await;
}

#[actix_web::test]
async fn the_api_lets_in_whom_the_table_says() {
    let (mut world, mut wrong) = (World::new(), Vec::new());
    let mut before = world.state();
    for line in lines(API) {
        for (column, expected) in line.answers.iter().enumerate() {
            let mut request = Request::new(line.method, &world.fill(line.path));
            if line.method != "GET" {
                request = request.body("application/json", line.body.as_bytes().to_vec());
            }
            let tokens = [
                &world.revoked.secret,
                &world.service,
                &world.foreign.secret,
                &world.own.secret,
                &world.admin.secret,
                &world.command_line,
            ];
            if column > 0 {
                request = request.header("Authorization", &format!("Bearer {}", tokens[column - 1]));
            }
            let answer = world.app.send(request).await;
            let after = world.state();
            if !is_as_expected(&answer, expected) {
                wrong.push(format!(
                    "{} {} as {column}: {} instead of {expected}",
                    line.method, line.path, answer.status
                ));
            }
            if before != after {
                if line.method == "GET" || answer.status >= 400 {
                    wrong.push(format!(
                        "{} {} as {column}: {}, and something changed",
                        line.method, line.path, answer.status
                    ));
                }
                world = World::new();
                before = world.state();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[actix_web::test]
async fn asking_for_the_head_alone_changes_nothing_either() {
    let world = World::new();
    let (olive, before) = (world.app.enter("olive"), world.state());
    for line in lines(PAGES).filter(|line| line.method == "GET") {
        let path = world.fill(line.path);
        let (get, head) = (olive.get(&path).await, olive.send(Request::new("HEAD", &path)).await);
        assert_eq!(head.status, get.status, "HEAD {path}");
        // htmx asks with GET too: its headers make a GET no more able.
        let asked = olive.send(Request::new("GET", &path).header("HX-Request", "true")).await;
        assert!(asked.status < 500, "{asked:?}");
    }
    assert!(world.state() == before);
}

#[actix_web::test]
async fn what_another_site_sends_is_refused_on_every_form() {
    let (world, mut wrong) = (World::new(), Vec::new());
    let before = world.state();
    for line in lines(PAGES).filter(|line| line.method == "POST") {
        let tricks: [&[(&str, &str)]; 7] = [
            &[],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://127.0.0.1:8080")],
            &[("Origin", "https://evil.example")],
            &[("Origin", "null")],
            &[("Origin", "http://127.0.0.1:8081"), ("HX-Request", "true")],
        ];
        for trick in tricks {
            let olive = world.app.enter("olive");
            let cookie: Vec<String> = olive.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request = trick.iter().fold(world.request(&line), |request, (name, value)| request.header(name, value));
            let answer = world.app.send(request.header("Cookie", &cookie.join("; "))).await;
            if answer.status != 403 {
                wrong.push(format!("{} {trick:?}: {}", line.path, answer.status));
            }
        }
        // Nor can it sign somebody in, where there is no cookie yet.
        let answer = world.app.send(world.request(&line).header("Sec-Fetch-Site", "cross-site")).await;
        if answer.status != 403 {
            wrong.push(format!("{} without a cookie: {}", line.path, answer.status));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(world.state() == before);
}

#[actix_web::test]
async fn what_is_hidden_looks_like_what_is_missing() {
    let world = World::new();
    let face = |answer: Answer| {
        let id = answer.header("x-request-id").unwrap().to_owned();
        (answer.status, answer.body.replace(&id, "ID"))
    };
    for line in lines(PAGES).filter(|line| line.path.contains("{org}")) {
        let xavier = world.app.enter("xavier");
        let hidden = face(xavier.send(world.request(&line)).await);
        let path: &'static str = Box::leak(line.path.replace("{org}", "nowhere").into_boxed_str());
        let missing = face(xavier.send(world.request(&Line { path, ..line })).await);
        assert_eq!(hidden, missing, "{}", line.path);
        assert_eq!(hidden.0, 404);
    }
    // Within an organization, an object of another one is as good as none.
    let ada = world.app.enter("ada");
    for line in lines(PAGES).filter(|line| line.path.contains("=foreign")) {
        let hidden = face(ada.send(world.request(&line)).await);
        let path: &'static str = Box::leak(line.path.replace("=foreign", "=missing").into_boxed_str());
        let missing = face(ada.send(world.request(&Line { path, ..line })).await);
        assert_eq!(hidden, missing, "{}", line.path);
    }
}

#[actix_web::test]
async fn who_is_removed_loses_pages_and_keys_with_the_next_request() {
    let app = TestApp::new();
    let (bea, ada) = (app.enter("bea"), app.enter("ada"));
    let key = app.db_create_key("bea", "ci");
    bea.get("/orgs/acme/settings/api-keys").await.assert_status(200);
    assert!(app.is_let_in(&key.secret).await);
    ada.post("/orgs/acme/settings/members/usr_bea/remove", &[("keys", "revoke")]).await.assert_status(303);
    bea.get("/orgs/acme/settings/api-keys").await.assert_status(404);
    bea.post("/orgs/acme/settings/api-keys", &[("name", "x")]).await.assert_status(404);
    assert!(!app.is_let_in(&key.secret).await);
}
