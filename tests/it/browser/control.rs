//! The harness looked at by itself: what it is trusted to find, it must find on a page made to have it.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::driver::{Browser, Script};

/// A server of fixed pages, on a port of its own, until the test ends.
fn serve(pages: &'static [(&'static str, &'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let line = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = line.split(' ').nth(1).unwrap_or("/");
            let (_, headers, body) = pages.iter().find(|(at, ..)| *at == path).unwrap_or(&("", "", "nothing here"));
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    format!("http://{address}")
}

#[actix_web::test]
async fn the_back_forward_cache_is_really_on() {
    let base = serve(&[
        (
            "/",
            "",
            "<!doctype html><title>one</title><p id=p>one<script>addEventListener('pageshow', e => document.title = 'persisted ' + e.persisted)</script>",
        ),
        ("/two", "", "<!doctype html><title>two</title>two"),
    ]);
    let browser = Browser::open(&base, Script::On).await;
    browser.goto("/").await;
    browser.js("document.querySelector('#p').textContent = 'kept in memory'").await;
    browser.goto("/two").await;
    browser.driver.back().await.unwrap();
    browser.wait_for_text("kept in memory").await;
    assert_eq!(browser.driver.title().await.unwrap(), "persisted true");
}

#[actix_web::test]
async fn a_violation_of_the_content_security_policy_is_noticed() {
    let base = serve(&[
        (
            "/",
            "Content-Security-Policy: default-src 'none'\r\n",
            "<!doctype html><title>x</title><p style='color: red'>x<script>1</script>",
        ),
        ("/fine", "Content-Security-Policy: default-src 'none'\r\n", "<!doctype html><title>x</title><p>fine"),
    ]);
    let browser = Browser::open(&base, Script::On).await;
    browser.goto("/fine").await;
    let found = browser.complaints().await;
    assert!(found.is_empty(), "{found:?}");
    browser.goto("/").await;
    browser.goto("/fine").await;
    assert_eq!(browser.complaints().await.len(), 2);
}

#[actix_web::test]
async fn with_scripts_off_no_script_runs() {
    let base = serve(&[(
        "/",
        "",
        "<!doctype html><title>x</title><p id=p>still</p><script>document.querySelector('#p').textContent = 'ran'</script>",
    )]);
    for (script, expected) in [(Script::On, "ran"), (Script::Off, "still")] {
        let browser = Browser::open(&base, script).await;
        browser.goto("/").await;
        assert_eq!(browser.text().await, expected);
    }
}

#[actix_web::test]
async fn what_axe_is_there_for_it_finds() {
    let base = serve(&[(
        "/",
        "",
        "<!doctype html><html lang=en><title>x</title><main><h1>x</h1><input><p style='color:#999;background:#fff'>faint</p></main>",
    )]);
    let browser = Browser::open(&base, Script::On).await;
    browser.goto("/").await;
    let found = super::axe::violations(&browser).await.join("\n");
    assert!(found.contains("label") && found.contains("color-contrast"), "{found}");
}

#[actix_web::test]
async fn on_plain_http_there_is_no_clipboard_interface() {
    let base = serve(&[("/", "", "<!doctype html><title>x</title>x")]);
    let browser = Browser::open(&base, Script::On).await;
    browser.goto(&base.replace("127.0.0.1", "keys.test")).await;
    assert_eq!(browser.js("return typeof navigator.clipboard").await, "undefined");
}
