//! The whole application in this process, on a database of its own, under a clock that the test moves.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{AppConfig, Service, ServiceFactory};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpResponse, test, web};
use keyrack::actions::keys::{Created, NewKey, create_key};
use keyrack::actions::{AppError, Ctx, Origin, Who, act_in};
use keyrack::clock::Clock;
use keyrack::db::{self, Conn};
use keyrack::domain::ids::SessionId;
use keyrack::domain::org::{OnDowngrade, Plan};
use keyrack::domain::rules::Rules;
use keyrack::domain::time::{Span, Timestamp};
use keyrack::domain::token::KeyFormat;
use keyrack::gate::GateOptions;
use keyrack::web::{State, WebConfig};
use serde_json::Value;

use super::actor::{Script, Visitor};
use super::answer::Answer;
use super::database::TestDatabase;
use super::{canary, cast};

/// The app of one test. When it goes, everything that must hold is checked.
pub(crate) struct TestApp {
    pub(crate) database: TestDatabase,
    pub(crate) state: web::Data<State>,
    offset: Arc<AtomicI64>,
    learned: RefCell<Vec<String>>,
    service: RefCell<Option<Serve>>,
}

/// The application as a function from request to answer.
type Serve = Rc<dyn Fn(test::TestRequest) -> Pin<Box<dyn Future<Output = Result<HttpResponse, actix_web::Error>>>>>;

/// What a test may set otherwise than usual before the app starts.
pub(crate) struct Setup {
    pub(crate) rules: Rules,
    pub(crate) config: WebConfig,
    /// Whether the cast is there.
    pub(crate) seeded: bool,
    /// What the check is given.
    pub(crate) gate: GateOptions,
    /// Whether the clock stands still between the test's moves: for deadlines to the microsecond.
    pub(crate) frozen: bool,
}

/// A key that a test made, with its plain text.
pub(crate) struct MadeKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The key with another last character, which belongs to the checksum.
pub(crate) fn misspelt(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

impl TestApp {
    /// With the cast, on the `standard` plan: 25 active keys, 20 creations per hour.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// Before the first start: nobody there.
    pub(crate) fn empty() -> Self {
        Self::with(|setup| setup.seeded = false)
    }

    /// With the cast on a plan of these limits.
    pub(crate) fn with_limits(active_keys_max: u32, creations_per_hour: u32) -> Self {
        Self::with(|setup| {
            setup.rules.plans[0].active_keys_max = Some(active_keys_max);
            setup.rules.plans[0].creations_per_hour = Some(creations_per_hour);
        })
    }

    /// With whatever the test sets otherwise.
    pub(crate) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        canary::catch_logs();
        let mut setup = Setup {
            rules: usual_rules(),
            config: usual_config(),
            seeded: true,
            gate: GateOptions { events_per_second: 1000, ..GateOptions::default() },
            frozen: false,
        };
        change(&mut setup);
        let database = TestDatabase::new();
        let offset = Arc::new(AtomicI64::new(if setup.frozen { Clock::system().now().as_micros() } else { 0 }));
        let clock = if setup.frozen { Clock::fixed(offset.clone()) } else { Clock::shifted(offset.clone()) };
        if setup.seeded {
            let plan = setup.rules.default_plan.clone();
            // Before now by any clock: the people were there before the test.
            database.run(|conn| {
                let now = db::now(conn, &clock).unwrap();
                db::write(conn, |conn| {
                    cast::seed(conn, &plan, now);
                    Ok::<(), db::DbError>(())
                })
                .unwrap();
            });
        }
        let state = State::new(database.db.clone(), setup.rules, clock, setup.config, setup.gate);
        let state = web::Data::new(state.unwrap());
        Self { database, state, offset, learned: RefCell::default(), service: RefCell::default() }
    }

    /// A browser that nobody has signed in with.
    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor::new(self)
    }

    /// A browser in which this one of the cast has signed in, by the page.
    pub(crate) async fn sign_in(&self, who: &str) -> Visitor<'_> {
        let visitor = self.visitor();
        let form = [("email", cast::email(who)), ("password", cast::password(who))];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        visitor.post("/sign-in", &form).await.assert_status(303);
        visitor
    }

    /// A script that sends this key.
    pub(crate) fn key(&self, secret: &str) -> Script<'_> {
        Script::new(self, secret)
    }

    /// Now, by the clock that decides.
    pub(crate) fn now(&self) -> Timestamp {
        self.database.run(|conn| db::now(conn, &self.state.clock).unwrap())
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, span: Span) {
        self.advance_micros(Timestamp::from_micros(0).plus(span).as_micros());
    }

    /// Lets time pass, or turns it back.
    pub(crate) fn advance_micros(&self, micros: i64) {
        self.offset.fetch_add(micros, Ordering::SeqCst);
    }

    /// Makes a key as this one of the cast, by the action and not by a page.
    pub(crate) fn db_create_key(&self, who: &str, name: &str) -> MadeKey {
        self.db_try_create_key(who, &NewKey { name: name.to_owned(), ..NewKey::default() }).unwrap()
    }

    /// Tries to make a key as this one of the cast, by the action and not by a page.
    pub(crate) fn db_try_create_key(&self, who: &str, new: &NewKey) -> Result<MadeKey, AppError> {
        let created =
            self.db_act(who, |conn, ctx, who, org| act_in(conn, ctx, who, org, |scope| create_key(scope, new, None)))?;
        let Created::New(view, plain) = created else { panic!("not new") };
        self.learn(plain.reveal());
        Ok(MadeKey { id: view.key.id.to_string(), secret: plain.reveal().to_owned() })
    }

    /// Does a deed as this one of the cast, in their organization.
    pub(crate) fn db_act<T>(
        &self,
        who: &str,
        f: impl FnOnce(&mut Conn, Ctx<'_>, &Who, &str) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        let origin =
            Origin { address: "192.0.2.1".into(), client: "test".into(), via: "page", request_id: "req".into() };
        let person = cast::CAST.iter().find(|person| person.name.eq_ignore_ascii_case(who)).expect("one of the cast");
        let who = Who::Person { user: cast::user_id(who), session: SessionId::from("ses_test") };
        let ctx = Ctx { rules: &self.state.rules, clock: &self.state.clock, origin: &origin };
        self.database.run(|conn| f(conn, ctx, &who, person.org))
    }

    /// From now on this is looked for wherever the server writes.
    pub(crate) fn learn(&self, secret: &str) {
        let mut learned = self.learned.borrow_mut();
        if !learned.iter().any(|known| known == secret) {
            learned.push(secret.to_owned());
        }
    }

    /// Lets the check follow what the test wrote past the app.
    pub(crate) fn catch_up(&self) {
        if let Some(seq) = self.database.take_unseen() {
            self.state.gate.catch_up(seq);
        }
        // Not everything can be written everywhere; what cannot is tried again.
        let _ = self.state.gate.flush();
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        self.catch_up();
        let serve = self.service().await;
        let mut http = test::TestRequest::default()
            .method(request.method.parse::<Method>().unwrap())
            .uri(&request.path)
            .peer_addr(SocketAddr::new(request.address.parse().unwrap(), 50000))
            .insert_header(("Host", "127.0.0.1:8080"));
        for (name, value) in &request.headers {
            http = http.append_header((name.as_str(), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        }
        let name = format!("{} {}", request.method, request.path);
        let response = match serve(http.set_payload(request.body)).await {
            Ok(response) => response,
            Err(error) => error.error_response(),
        };
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let (headers, status) = (headers.collect(), response.status().as_u16());
        let is_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let mut body = response.into_body();
        let bytes = if is_stream {
            // It would go on for ever: its beginning has to do.
            let first = std::future::poll_fn(|context| Pin::new(&mut body).poll_next(context)).await;
            first.and_then(Result::ok).unwrap_or_default()
        } else {
            to_bytes(body).await.unwrap_or_else(|_| panic!("{name}: the body broke off"))
        };
        let answer = Answer { request: name, status, headers, body: String::from_utf8_lossy(&bytes).into_owned() };
        self.look_for_secrets(&request.method, &answer);
        answer
    }

    /// The running application; made once, because its routes take longer to compile than most requests to answer.
    async fn service(&self) -> Serve {
        if let Some(serve) = self.service.borrow().clone() {
            return serve;
        }
        let app = keyrack::web::app(self.state.clone()).new_service(AppConfig::default()).await.unwrap();
        let serve: Serve = Rc::new(move |request| {
            let answer = app.call(request.to_request());
            Box::pin(async move { Ok(answer.await?.into()) })
        });
        *self.service.borrow_mut() = Some(serve.clone());
        serve
    }

    /// A new secret may stand in the answer to a POST, and nowhere else.
    fn look_for_secrets(&self, method: &str, answer: &Answer) {
        if method == "POST" {
            canary::keys_in(&answer.body).iter().for_each(|key| self.learn(key));
        } else {
            for secret in self.learned.borrow().iter() {
                assert!(!answer.body.contains(secret), "{} shows a secret again:\n{}", answer.request, answer.body);
            }
        }
        for (name, value) in answer.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("set-cookie")) {
            let shown = self.learned.borrow().iter().any(|secret| value.contains(secret));
            assert!(!shown, "{}: a secret in {name}: {value}", answer.request);
        }
    }

    /// What every test ends with; a test that goes on afterwards may ask in between.
    #[track_caller]
    pub(crate) fn check_everything(&self) {
        let broken = self.database.broken_invariants(&self.state.clock);
        assert!(broken.is_empty(), "\n  {}", broken.join("\n  "));
        let passwords = cast::CAST.iter().map(|person| cast::password(person.name));
        let needles: Vec<String> = self
            .learned
            .borrow()
            .iter()
            .cloned()
            .chain(passwords)
            .flat_map(|secret| canary::forms_of(&secret))
            .collect();
        for (place, text) in [("the database", self.database.dump_all()), ("the log", canary::logged())] {
            if let Some(held) = needles.iter().find(|needle| text.contains(needle.as_str())) {
                let line = text.lines().find(|line| line.contains(held)).unwrap();
                panic!("{place} holds a secret, {held}:\n{line}");
            }
        }
        let files = canary::files_with(self.database.folder.path(), &needles);
        assert!(files.is_empty(), "{files:?}");
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_everything();
        }
    }
}

/// A request as it goes over the wire.
pub(crate) struct Request {
    pub(crate) method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    address: String,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), body: Vec::new(), address: "192.0.2.1".to_owned() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name))
    }

    pub(crate) fn form(self, form: &[(&str, &str)]) -> Self {
        let body = serde_html_form::to_string(form).unwrap();
        self.body("application/x-www-form-urlencoded", body.into_bytes())
    }

    pub(crate) fn json(self, json: &Value) -> Self {
        self.body("application/json", json.to_string().into_bytes())
    }

    pub(crate) fn body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.header("Content-Type", content_type)
    }

    /// From this network address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }
}

/// A plan without any peculiarity.
pub(crate) fn plan(id: &str, name: &str) -> Plan {
    Plan {
        id: id.into(),
        name: name.into(),
        api_keys: true,
        active_keys_max: Some(25),
        creations_per_hour: Some(20),
        requests_per_minute: None,
        key_requests_per_minute: None,
        price_text: None,
        billing_prices: Vec::new(),
    }
}

pub(crate) fn usual_rules() -> Rules {
    Rules {
        format: KeyFormat {
            prefix: "kr".into(),
            environments: Vec::new(),
            environment_in_key: false,
            separator: "_".into(),
        },
        plans: vec![plan("standard", "Standard")],
        default_plan: "standard".into(),
        on_downgrade: OnDowngrade::Keep,
        keys_may_manage_keys: false,
        url_endpoints: Vec::new(),
        default_expiry: None,
        max_expiry: None,
        usage_kept: Span::days(90),
        events_kept: Span::days(7),
        on_leak: keyrack::domain::leak::OnLeak::Revoke,
        sign_up_open: false,
    }
}

pub(crate) fn usual_config() -> WebConfig {
    WebConfig {
        product: "Keyrack".into(),
        cli_name: "keyrack".into(),
        env_prefix: "KEYRACK".into(),
        project_file: "keyrack.json".into(),
        support_url: None,
        plans_url: None,
        billing_secrets: Vec::new(),
        scanning: keyrack::web::Scanning::default(),
        public_url: "http://127.0.0.1:8080".into(),
        secure_cookies: true,
        is_https: false,
        session_key: (0..64).map(|byte| byte * 3 + 1).collect(),
        trusted_proxies: Vec::new(),
        security_txt: None,
        key_lead: "kr_".into(),
        cli_reference: keyrack::cli::reference("keyrack"),
        metrics: keyrack::web::MetricsAccess::default(),
        alerts: keyrack::web::AlertWays::default(),
    }
}
