//! From settings to whoever sends alerts.

use super::CliError;
use crate::actions::alerts::Seal;
use crate::clock::Clock;
use crate::db::Db;
use crate::jobs::courier::{Courier, CourierOptions};
use crate::jobs::hooks::HookSender;
use crate::jobs::mail::{MailSender, MailServer, MailTls};
use crate::settings::{SessionKey, Settings, Smtp, SmtpTls};
use crate::web;

/// What sends alerts by these settings.
pub(super) fn courier(settings: &Settings, db: Db, key: &SessionKey) -> Result<Courier, CliError> {
    let mail = settings.smtp.as_ref().map(mail_server).map(MailSender::new).transpose().map_err(CliError::new)?;
    Ok(Courier::new(CourierOptions {
        db,
        rules: settings.rules(),
        clock: Clock::system(),
        seal: Seal::from_session_key(key.as_bytes()),
        hooks: HookSender::new(settings.alerts.private_webhooks),
        mail,
        digest: settings.alerts.digest,
        product: settings.brand.name.clone(),
        public_url: settings.public_url.as_str().to_owned(),
        lay_out: web::mail::lay_out,
    }))
}

fn mail_server(smtp: &Smtp) -> MailServer {
    MailServer {
        host: smtp.host.clone(),
        port: smtp.port,
        tls: match smtp.tls {
            SmtpTls::StartTls => MailTls::StartTls,
            SmtpTls::Tls => MailTls::Tls,
            SmtpTls::None => MailTls::None,
        },
        login: smtp.login.as_ref().map(|(user, password)| (user.clone(), password.expose().to_owned())),
        from: smtp.from.clone(),
    }
}
