//! E-mail, to a real mail server.

use keyrack::actions::alerts::courier::{Outcome, note_mail, take_mail};
use keyrack::domain::time::Span;
use keyrack::jobs::hooks::HookSender;
use keyrack::jobs::mail::{MailSender, MailTls};

use super::smtp::{Message, Smtp};
use super::{local, mail_server};
use crate::support::TestApp;
use crate::support::keys::{at, key_in, post_key};

const PAGE: &str = "/orgs/acme/settings/notifications";

fn to(messages: &[Message], who: &str) -> Vec<Message> {
    let mine = |message: &&Message| message.header("To").unwrap().contains(&format!("{who}@acme.example"));
    messages.iter().filter(mine).cloned().collect()
}

#[actix_web::test]
async fn what_happens_to_a_key_is_mailed_once_to_its_owner_without_any_secret() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    let courier = app.courier(Some(&smtp));
    let ben = app.enter("ben");
    let key = key_in(&post_key(&ben, "Deploy <script>").await);
    assert_eq!(courier.work_off().unwrap(), 1);
    let messages = smtp.messages();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let mail = &messages[0];
    assert_eq!(mail.header("Subject").unwrap(), "[Acme] API key “Deploy <script>” was created by Ben");
    assert_eq!(mail.header("To").unwrap(), "Ben <ben@acme.example>");
    assert_eq!(mail.header("From").unwrap(), "Keyrack <keys@acme.example>");
    assert_eq!(mail.header("List-Unsubscribe").unwrap(), format!("<http://127.0.0.1:8080{PAGE}>"));
    assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"));
    assert!(mail.header("Message-ID").unwrap().starts_with("<msg_"));
    let body = mail.body();
    for words in ["Deploy <script> (kr_", "Deploy &#60;script&#62;", &format!("/api-keys/{}", key.id), PAGE, "By: Ben"]
    {
        assert!(body.contains(words), "{words}\n{body}");
    }
    assert!(!body.contains(&key.secret) && !body.contains(&key.secret[key.secret.len() - 24..]));
    assert_eq!(courier.work_off().unwrap(), 0, "nothing twice");
}

#[actix_web::test]
async fn alerts_that_come_together_share_one_mail_and_urgent_ones_do_not_wait() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    let sender = MailSender::new(mail_server(smtp.port, MailTls::None)).unwrap();
    let courier = app.courier_with(HookSender::new(true), Some(sender), Span::seconds(30));
    let ben = app.enter("ben");
    let key = key_in(&post_key(&ben, "one").await);
    app.advance(Span::seconds(10));
    ben.post(&at(&key.id, "/rotate"), &[("grace", "24h")]).await.assert_status(200);
    assert_eq!(courier.work_off().unwrap(), 0, "the first waits for others");
    app.advance(Span::seconds(21));
    assert_eq!(courier.work_off().unwrap(), 1);
    let messages = smtp.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].header("Subject").unwrap(), "[Acme] 2 alerts about your API keys");
    assert!(messages[0].body().contains("was created by Ben") && messages[0].body().contains("was rotated by Ben"));
    // A test is urgent, and takes along what waits.
    post_key(&ben, "two").await;
    ben.post(&format!("{PAGE}/test"), &[]).await.assert_goes_to(PAGE);
    assert_eq!(courier.work_off().unwrap(), 1);
    assert!(smtp.messages()[1].body().contains("Test alert") && smtp.messages()[1].body().contains("“two”"));
}

#[actix_web::test]
async fn switches_decide_who_is_mailed() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    let courier = app.courier(Some(&smtp));
    let (ben, ada) = (app.enter("ben"), app.enter("ada"));
    // Ben wants to hear of nothing but revocations, Ada of everybody's creations.
    ben.post(PAGE, &[("on", "revoked.email_own")]).await.assert_goes_to(PAGE);
    ada.post(PAGE, &[("on", "created.email_all")]).await.assert_goes_to(PAGE);
    let key = key_in(&post_key(&ben, "one").await);
    courier.work_off().unwrap();
    assert_eq!((to(&smtp.messages(), "ben").len(), to(&smtp.messages(), "ada").len()), (0, 1));
    ben.post(&at(&key.id, "/revoke"), &[]).await.assert_status(303);
    courier.work_off().unwrap();
    let all = smtp.messages();
    assert_eq!((to(&all, "ben").len(), to(&all, "ada").len()), (1, 1));
    assert_eq!(all.len(), 2, "nobody else hears of it");
    // Whoever leaves is told nothing more, whatever was on its way.
    post_key(&app.enter("bea"), "hers").await;
    app.enter("olive").post("/orgs/acme/settings/members/usr_bea/remove", &[("keys", "revoke")]).await;
    courier.work_off().unwrap();
    assert!(to(&smtp.messages(), "bea").is_empty());
    assert_eq!(app.count("alert_deliveries WHERE state = 'waiting'"), 0);
}

#[actix_web::test]
async fn a_busy_server_gets_the_same_message_again_later() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    let courier = app.courier(Some(&smtp));
    smtp.set_busy(true);
    let ben = app.enter("ben");
    post_key(&ben, "one").await;
    assert_eq!(courier.work_off().unwrap(), 1);
    assert_eq!(courier.work_off().unwrap(), 0, "not before its time");
    let id = app.database.lines("SELECT message AS line FROM alert_deliveries")[0].clone();
    // What happens meanwhile is another message: the first one stays what it was.
    post_key(&ben, "two").await;
    smtp.set_busy(false);
    app.advance(Span::seconds(13));
    assert_eq!(courier.work_off().unwrap(), 2);
    let messages = smtp.messages();
    let again =
        messages.iter().find(|mail| mail.header("Message-ID").unwrap() == format!("<{id}@acme.example>")).unwrap();
    assert!(again.body().contains("“one”") && !again.body().contains("“two”"));
    assert_eq!(messages.len(), 2);
    let attempts =
        app.database.lines("SELECT outcome AS line FROM delivery_attempts WHERE number = 1 AND status = 451");
    assert_eq!(attempts, ["The mail server refused"]);
}

#[actix_web::test]
async fn a_mailbox_that_does_not_exist_is_given_up_at_once() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    app.database.execute("UPDATE users SET email = 'gone@acme.example' WHERE id = 'usr_ben'");
    let courier = app.courier(Some(&smtp));
    post_key(&app.enter("ben"), "one").await;
    assert_eq!(courier.work_off().unwrap(), 1);
    assert_eq!(app.database.lines("SELECT state AS line FROM alert_deliveries"), ["failed"]);
    assert!(smtp.messages().is_empty());
}

#[actix_web::test]
async fn a_name_cannot_add_a_line_to_the_head() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    // Past every check that names go through, as if one of them failed.
    let evil = "Ben\r\nBcc: eve@globex.example\r\nX-Evil: 1";
    app.database.execute(&format!("UPDATE users SET name = '{evil}' WHERE id = 'usr_ben'"));
    app.database.execute(&format!("UPDATE orgs SET name = '{evil}' WHERE id = 'org_acme'"));
    let courier = app.courier(Some(&smtp));
    app.db_create_key("ben", "one");
    assert_eq!(courier.work_off().unwrap(), 1);
    let messages = smtp.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].header("Bcc"), messages[0].header("X-Evil")), (None, None), "{}", messages[0].raw);
    assert!(messages[0].header("To").unwrap().ends_with("<ben@acme.example>"));
}

#[actix_web::test]
async fn mail_does_not_go_out_in_plain_text_where_tls_is_wanted() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    for tls in [MailTls::StartTls, MailTls::Tls] {
        let sender = MailSender::new(mail_server(smtp.port, tls)).unwrap();
        let courier = app.courier_with(HookSender::new(true), Some(sender), Span::ZERO);
        app.db_create_key("ben", &format!("{tls:?}"));
        courier.work_off().unwrap();
        app.advance(Span::hours(1));
    }
    assert!(smtp.messages().is_empty());
    assert_eq!(app.count("alert_deliveries WHERE state = 'waiting'"), 2);
}

#[actix_web::test]
async fn without_a_mail_server_nothing_waits_for_one() {
    let app = TestApp::new();
    app.db_create_key("ben", "one");
    assert_eq!(app.courier(None).work_off().unwrap(), 0);
    assert_eq!(app.count("alert_deliveries"), 0);
    assert_eq!(app.count("alerts WHERE fanned_out_at IS NULL"), 0);
    app.enter("ben").get(PAGE).await.assert_status(200).assert_has("#no-mail").assert_has_not("#test-mail");
}

/// As when the server is killed between taking a message and noting that it was sent: it cannot be known whether it was.
#[actix_web::test]
async fn a_message_that_was_taken_and_not_finished_goes_out_from_another_under_the_same_id() {
    let (app, smtp) = (TestApp::with(local), Smtp::start());
    let courier = app.courier(None);
    app.db_create_key("ben", "one");
    app.courier(Some(&smtp)).prepare().unwrap();
    let taken = app.db_act("ben", |conn, ctx, _, _| take_mail(conn, ctx)).unwrap().expect("a message");
    assert_eq!((taken.deliveries.len(), courier.work_off().unwrap()), (1, 0));
    let courier = app.courier(Some(&smtp));
    app.advance(Span::seconds(119));
    assert_eq!(courier.work_off().unwrap(), 0, "whoever took it has time to send it");
    app.advance(Span::seconds(2));
    assert_eq!(courier.work_off().unwrap(), 1);
    assert_eq!(smtp.messages()[0].header("Message-ID").unwrap(), format!("<{}@acme.example>", taken.message));
    // Whoever lost it changes nothing any more.
    let late = Outcome { status: None, words: "late".to_owned(), arrived: false, is_final: true, duration_ms: 0 };
    app.db_act("ben", |conn, ctx, _, _| note_mail(conn, ctx, &taken, &late)).unwrap();
    assert_eq!(app.database.lines("SELECT state AS line FROM alert_deliveries"), ["sent"]);
    assert_eq!(app.count("delivery_attempts"), 1);
}
