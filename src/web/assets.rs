//! The files of `static/`, embedded by build.rs under names that change with their content, so that browsers keep them for good.
//!
//! Templates write `{{ "app.css"|asset }}`; nothing here reads a disk.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// One embedded file.
#[derive(Debug)]
pub struct Asset {
    /// Its name in `static/`.
    pub name: &'static str,
    /// Its name in URLs, with the hash.
    pub file: &'static str,
    /// Its address.
    pub url: &'static str,
    /// Its entity tag, quotes included.
    pub etag: &'static str,
    /// Its media type.
    pub mime: &'static str,
    /// As it is.
    pub raw: &'static [u8],
    /// Compressed with brotli.
    pub br: &'static [u8],
    /// Compressed with gzip.
    pub gz: &'static [u8],
}

/// All of them, for tools that write pages to disk.
#[must_use]
pub fn all() -> &'static [Asset] {
    ASSETS
}

/// Finds a file by its name in URLs: `app.0123456789ab.css`.
#[must_use]
pub fn find(file: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.file == file)
}

/// Finds a file by its name in `static/`: `app.css`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// `GET /static/{file}`. A name says what its content is, so an answer holds for good.
pub async fn serve(request: HttpRequest) -> HttpResponse {
    let Some(asset) = find(request.match_info().query("file")) else {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is no such file.\n");
    };
    let not_modified = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag));
    let mut answer = HttpResponse::build(if not_modified { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    answer
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::ETAG, asset.etag))
        .insert_header((header::VARY, "Accept-Encoding"));
    if not_modified {
        return answer.finish();
    }
    answer.insert_header((header::CONTENT_TYPE, asset.mime));
    let shorter = |form: &[u8]| form.len() < asset.raw.len();
    if accepts(request.headers(), "br") && shorter(asset.br) {
        answer.insert_header((header::CONTENT_ENCODING, "br")).body(asset.br)
    } else if accepts(request.headers(), "gzip") && shorter(asset.gz) {
        answer.insert_header((header::CONTENT_ENCODING, "gzip")).body(asset.gz)
    } else {
        // Said aloud, so that no middleware compresses it again on every request.
        answer.insert_header((header::CONTENT_ENCODING, "identity")).body(asset.raw)
    }
}

/// Whether the client takes this coding: named, and not with a weight of nothing.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.any(|part| {
            part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
        });
        named && !refused
    })
}

/// Filters for templates.
pub mod filters {
    /// `"app.css"|asset`: the address of a file in `static/`. An unknown name stops the rendering, so tests find it.
    #[askama::filter_fn]
    pub fn asset(name: &str, _: &dyn askama::Values) -> askama::Result<&'static str> {
        let found = super::named(name);
        found.map(|asset| asset.url).ok_or(askama::Error::Fmt)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(accept_encoding: &str) -> HttpRequest {
        let file = named("htmx-4.0.1.min.js").map(|asset| asset.file).unwrap_or_default();
        TestRequest::get()
            .param("file", file)
            .insert_header((header::ACCEPT_ENCODING, accept_encoding))
            .to_http_request()
    }

    #[actix_web::test]
    async fn the_best_coding_that_the_client_takes_is_sent() {
        for (accepted, sent) in [
            ("gzip, deflate, br", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("identity", "identity"),
            ("", "identity"),
        ] {
            let answer = serve(asked(accepted)).await;
            assert_eq!(answer.headers().get(header::CONTENT_ENCODING).unwrap(), sent, "{accepted}");
            assert_eq!(answer.headers().get(header::VARY).unwrap(), "Accept-Encoding");
            assert!(answer.headers().get(header::CACHE_CONTROL).unwrap().to_str().unwrap().contains("immutable"));
        }
    }

    #[actix_web::test]
    async fn a_known_entity_tag_is_answered_with_304() {
        let asset = named("app.css").unwrap();
        let request = |tag: &str| {
            TestRequest::get()
                .param("file", asset.file)
                .insert_header((header::IF_NONE_MATCH, tag.to_owned()))
                .to_http_request()
        };
        assert_eq!(serve(request(asset.etag)).await.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(serve(request(&format!("\"x\", W/{}", asset.etag))).await.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(serve(request("\"other\"")).await.status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn an_unknown_name_is_answered_with_404() {
        for file in ["app.css", "../Cargo.toml", "app.000000000000.css", ""] {
            let request = TestRequest::get().param("file", file).to_http_request();
            assert_eq!(serve(request).await.status(), StatusCode::NOT_FOUND, "{file}");
        }
    }
}
