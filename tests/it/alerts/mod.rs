//! Alerts: raised with the deed, found when time has come, sent once to each who wants them, to real servers.

mod crash;
mod hooks;
mod mail;
mod page;
mod raised;
mod reach;
pub(crate) mod receiver;
pub(crate) mod smtp;
mod time;

use keyrack::actions::alerts::Seal;
use keyrack::domain::time::Span;
use keyrack::jobs::courier::{Courier, CourierOptions};
use keyrack::jobs::hooks::HookSender;
use keyrack::jobs::mail::{MailSender, MailServer, MailTls};

use crate::support::TestApp;
use crate::support::app::Setup;
use smtp::Smtp;

/// Webhooks may go to this machine, and the pages know that there is mail.
pub(super) fn local(setup: &mut Setup) {
    setup.config.alerts.has_mail = true;
    setup.config.alerts.private_webhooks = true;
}

/// How a sender without any login reaches a server.
pub(super) fn mail_server(port: u16, tls: MailTls) -> MailServer {
    let from = "Keyrack <keys@acme.example>".to_owned();
    MailServer { host: "localhost".to_owned(), port, tls, login: None, from }
}

impl TestApp {
    /// Whoever sends this app's alerts, to http addresses of this machine too.
    pub(super) fn courier(&self, smtp: Option<&Smtp>) -> Courier {
        let mail = smtp.map(|smtp| MailSender::new(mail_server(smtp.port, MailTls::None)).unwrap());
        self.courier_with(HookSender::new(true), mail, Span::ZERO)
    }

    pub(super) fn courier_with(&self, hooks: HookSender, mail: Option<MailSender>, digest: Span) -> Courier {
        Courier::new(CourierOptions {
            db: self.database.db.clone(),
            rules: self.state.rules.clone(),
            clock: self.state.clock.clone(),
            seal: Seal::from_session_key(&self.state.config.session_key),
            hooks,
            mail,
            digest,
            product: "Keyrack".to_owned(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            lay_out: keyrack::web::mail::lay_out,
        })
    }
}
