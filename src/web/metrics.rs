//! `/metrics` in the text format of Prometheus, version 0.0.4. Off unless the operator gave it a token, or a socket of
//! its own: then it is nowhere else.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{State, client};
use crate::actions::alerts::courier::{Backlog, backlogs};
use crate::db::Db;
use crate::domain::token::SecretHash;
use crate::gate::metrics::{Checks, Counted, Gauges};
use crate::web::running::Running;

/// A database that takes longer than this says nothing: what is counted in memory matters most when it does not answer.
const DATABASE_TIME_MAX: Duration = Duration::from_secs(2);

/// Who may read them, and where.
#[derive(Debug, Clone, Default)]
pub struct MetricsAccess {
    /// Whoever knows this text.
    pub token: Option<SecretHash>,
    /// Only on a socket of their own.
    pub elsewhere: bool,
}

/// On the main socket.
pub(super) async fn serve(req: HttpRequest, state: web::Data<State>) -> HttpResponse {
    if state.config.metrics.elsewhere || state.config.metrics.token.is_none() {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("not configured\n");
    }
    answer(&req, &state).await
}

/// On the socket of their own, where a token is asked for only if there is one.
pub(super) async fn serve_beside(req: HttpRequest, state: web::Data<State>) -> HttpResponse {
    answer(&req, &state).await
}

async fn answer(req: &HttpRequest, state: &State) -> HttpResponse {
    if let Some(token) = &state.config.metrics.token {
        let presented = req.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presented = presented.and_then(|value| value.split_once(' '));
        let presented = presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if !presented.is_some_and(|(_, text)| SecretHash::of(text.trim()).matches(token)) {
            return HttpResponse::Unauthorized()
                .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
                .content_type("text/plain; charset=utf-8")
                .body("the token of KEYRACK_METRICS_TOKEN is needed\n");
        }
    }
    let backlogs = tokio::time::timeout(DATABASE_TIME_MAX, state.run(client::origin(req, "server"), backlogs)).await;
    let backlogs = backlogs.ok().and_then(Result::ok).map(Vec::from).unwrap_or_default();
    let text = write(&state.running, &state.db, &state.gate.checks(), &state.gate.gauges(), &backlogs);
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(text)
}

fn write(running: &Running, db: &Db, checks: &Checks, gauges: &Gauges, backlogs: &[Backlog]) -> String {
    let mut text = Text::default();
    text.family("keyrack_checks_total", "counter", "Checks of keys by their verdict.");
    text.labelled("keyrack_checks_total", "verdict", &checks.by_verdict());
    text.family("keyrack_check_duration_seconds", "histogram", "How long checks took.");
    text.histogram("keyrack_check_duration_seconds", "", checks);

    text.gauge("keyrack_index_keys", "Keys in memory.", gauges.keys);
    text.gauge("keyrack_index_orgs", "Organizations in memory.", gauges.orgs);
    text.gauge("keyrack_nodes", "Nodes alive, this one included.", gauges.nodes);
    text.gauge("keyrack_lease_held", "Whether this node answers checks.", u8::from(gauges.lease_held));
    if let Some(age) = gauges.lease_age_seconds {
        text.gauge("keyrack_lease_age_seconds", "Time since this node's lease was renewed.", age);
    }
    let shared = u8::from(gauges.limits_shared);
    text.gauge("keyrack_limits_shared", "Whether limits are counted together with other nodes, in Redis.", shared);
    let (waiting, left_out) = (&gauges.waiting, &gauges.left_out);
    text.gauge("keyrack_events_waiting", "Events that wait to be stored.", waiting.events);
    text.gauge("keyrack_counts_waiting", "Counts of use that wait to be stored.", waiting.counts);
    text.gauge("keyrack_uses_waiting", "Last uses of secrets that wait to be stored.", waiting.uses);
    text.gauge("keyrack_reports_waiting", "Reports of upstreams that wait for their event.", waiting.reports);
    text.total("keyrack_events_not_stored_total", "Checks counted, too many for an event each.", left_out.events);
    text.total("keyrack_counts_lost_total", "Checks that there was no memory to count.", left_out.counts);
    text.total("keyrack_reports_in_vain_total", "Reports whose event was not found.", left_out.reports);

    if !backlogs.is_empty() {
        let name = "keyrack_deliveries_waiting";
        text.family(name, "gauge", "Alerts on their way to a recipient, the same on every node.");
        text.labelled(name, "channel", &backlogs.iter().map(|of| (of.channel, of.waiting)).collect::<Vec<_>>());
        let name = "keyrack_deliveries_late_seconds";
        text.family(name, "gauge", "For how long an alert is due that was not sent, the same on every node.");
        let late: Vec<_> = backlogs.iter().map(|of| (of.channel, of.late.as_micros() as f64 / 1e6)).collect();
        text.labelled(name, "channel", &late);
    }

    let (in_use, idle) = db.connections();
    text.family("keyrack_db_connections", "gauge", "Connections of the database pool.");
    text.labelled("keyrack_db_connections", "state", &[("in_use", in_use), ("idle", idle)]);

    let (requests, checks) = (running.requests(), running.checks());
    let answers = |class: usize| requests.counts[class].iter().chain(&checks.counts[class]).sum::<u64>();
    let by_class: Vec<_> = ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip((0..).map(answers)).collect();
    text.family("keyrack_http_requests_total", "counter", "Requests answered, by the class of the status.");
    text.labelled("keyrack_http_requests_total", "status", &by_class);
    let durations = "keyrack_http_request_duration_seconds";
    text.family(durations, "histogram", "How long requests took: checks by proxies and backends, and all others.");
    text.histogram(durations, "kind=\"check\"", &checks);
    text.histogram(durations, "kind=\"other\"", &requests);

    text.family("keyrack_build_info", "gauge", "Always 1; what runs is in the labels.");
    text.line("keyrack_build_info", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
    let started = running.started_at.as_micros() as f64 / 1e6;
    text.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", started);
    text.0
}

/// Lines of the format. Names and labels are all ours, so nothing has to be escaped.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn labelled(&mut self, name: &str, label: &str, values: &[(&str, impl Display)]) {
        for (text, value) in values {
            self.line(name, &format!("{label}=\"{text}\""), value);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.line(name, "", value);
    }

    fn total(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.line(name, "", value);
    }

    /// One of a family's histograms. What is counted by label is added up.
    fn histogram<const LABELS: usize>(&mut self, name: &str, labels: &str, counted: &Counted<LABELS>) {
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = counted.bounds.iter().map(|nanos| (*nanos as f64 / 1e9).to_string());
        let mut total = 0;
        for (at, bound) in bounds.chain(["+Inf".to_owned()]).enumerate() {
            total += counted.counts.iter().map(|counts| counts[at]).sum::<u64>();
            self.line(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"{bound}\""), total);
        }
        self.line(&format!("{name}_sum"), labels, counted.nanos as f64 / 1e9);
        self.line(&format!("{name}_count"), labels, total);
    }
}
