//! The least that a server can do with the same framework: a JSON hello, and a page from memory.
//!
//! `bare PORT PAGE_FILE`: one worker, one core.

use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Serialize;

#[derive(Serialize)]
struct Hello {
    hello: &'static str,
    valid: bool,
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().json(Hello { hello: "world", valid: true })
}

async fn page(bytes: web::Data<web::Bytes>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(bytes.get_ref().clone())
}

async fn ready() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let wrong = || std::io::Error::other("usage: bare PORT PAGE_FILE");
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let page_file = args.next().ok_or_else(wrong)?;
    let bytes = web::Data::new(web::Bytes::from(std::fs::read(page_file)?));
    // The limits are those of Keyrack's own server, so that both pay for the same timers.
    HttpServer::new(move || {
        App::new()
            .app_data(bytes.clone())
            .route("/hello", web::get().to(hello))
            .route("/page", web::get().to(page))
            .route("/readyz", web::get().to(ready))
    })
    .workers(1)
    .client_request_timeout(Duration::from_secs(10))
    .keep_alive(Duration::from_secs(75))
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
