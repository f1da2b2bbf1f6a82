//! `/docs` and `/llms.txt`: for everybody, signed in or not.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{chrome_for_nobody, draw};
use crate::actions::AppError;
use crate::web::docs::{Page, render};
use crate::web::views::docs::{DocsPage, Entry, Group, Indexed};
use crate::web::{Htmx, State};

fn groups(state: &State, current: &str) -> Vec<Group> {
    let entry = |page: &Page| Entry {
        url: format!("/docs/{}", page.name),
        title: page.title.clone(),
        about: page.about.clone(),
        is_current: page.name == current,
    };
    let groups = state.docs.groups().into_iter();
    groups.map(|(title, pages)| Group { title, entries: pages.into_iter().map(entry).collect() }).collect()
}

/// What there is to read.
///
/// # Errors
/// A template that does not render is a fault of ours.
pub async fn index(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, AppError> {
    let view = Indexed { chrome: chrome_for_nobody(&state, &req), groups: groups(&state, "") };
    draw(Htmx::default(), 200, &view)
}

/// A page; with `.md` behind its name, its Markdown.
///
/// # Errors
/// `NotFound` for a page that is not there.
pub async fn page(
    req: HttpRequest,
    state: web::Data<State>,
    name: web::Path<String>,
) -> Result<HttpResponse, AppError> {
    if let Some(page) = name.strip_suffix(".md").and_then(|name| state.docs.find(name)) {
        return Ok(HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(page.markdown.clone()));
    }
    let page = state.docs.find(&name).ok_or(AppError::NotFound)?;
    let (body, contents) = render(&page.markdown);
    let view = DocsPage {
        chrome: chrome_for_nobody(&state, &req),
        groups: groups(&state, page.name),
        title: page.title.clone(),
        contents: contents.into_iter().map(|heading| (heading.id, heading.text)).collect(),
        body,
        source: format!("/docs/{}.md", page.name),
    };
    draw(Htmx::default(), 200, &view)
}

/// The index for programs that read.
pub async fn llms(state: web::Data<State>) -> HttpResponse {
    let text = state.docs.index(&state.config);
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8")).body(text)
}
