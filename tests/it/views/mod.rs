//! Every view in every state: it renders, it is sound HTML, and nothing in it needs a script or a style of its own.
//!
//! With `KEYRACK_RENDER_DIR` set, `every_view_is_sound` also writes the pages there, with the static files beside them.

mod samples;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use keyrack::web::assets;
use keyrack::web::views::View;
use scraper::{ElementRef, Html, Selector};

#[test]
fn every_view_is_sound() {
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (name, view) in samples::all() {
        assert!(seen.insert(name), "two samples are called {name}");
        let page = view.page().unwrap();
        let panel = view.panel().unwrap();
        assert!(panel.trim().len() > 40, "{name}: the panel is empty");
        check(&format!("{name} (page)"), &Html::parse_document(&page), &page, &mut faults);
        check(&format!("{name} (panel)"), &Html::parse_fragment(&panel), &panel, &mut faults);
        check_page(name, &Html::parse_document(&page), &mut faults);
        if let Ok(folder) = std::env::var("KEYRACK_RENDER_DIR") {
            write(Path::new(&folder), name, view.as_ref());
        }
    }
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}

#[test]
fn a_secret_stands_only_in_the_reveal_and_only_where_it_is_scrubbed() {
    let view = samples::reveal();
    let document = Html::parse_document(&view.page().unwrap());
    let mut found = 0;
    for element in document.select(&all("*")) {
        let own_text: String =
            element.children().filter_map(|node| Some(node.value().as_text()?.to_string())).collect();
        let in_attributes = element.value().attrs().any(|(_, value)| value.contains(samples::SECRET));
        if own_text.contains(samples::SECRET) || in_attributes {
            found += 1;
            let inside = element.ancestors().filter_map(ElementRef::wrap).chain([element]);
            assert!(
                inside.into_iter().any(|outer| outer.value().attr("data-secret").is_some()),
                "the secret stands in <{}>, outside what is scrubbed",
                element.value().name()
            );
        }
    }
    assert!(found >= 5, "input and samples");
    for (name, view) in samples::all() {
        if !name.starts_with("key-reveal") {
            assert!(!view.page().unwrap().contains(samples::SECRET), "{name}");
        }
    }
}

#[test]
fn a_name_with_markup_stays_text() {
    let view = samples::hostile();
    let page = view.page().unwrap();
    assert!(!page.contains("<script>alert"), "markup came through");
    let document = Html::parse_document(&page);
    assert!(document.select(&all("img")).next().is_none());
    assert!(document.select(&all("h1")).next().unwrap().text().collect::<String>().contains("<script>"));
}

#[test]
fn a_dialog_shares_no_id_with_the_page_behind_it() {
    let views = samples::all();
    let html = |wanted: &str| {
        let (_, view) = views.iter().find(|(name, _)| *name == wanted).unwrap_or_else(|| panic!("no sample {wanted}"));
        (view.page().unwrap(), view.panel().unwrap())
    };
    let ids = |html: &str| -> HashSet<String> {
        let document = Html::parse_document(html);
        document.select(&all("[id]")).filter_map(|element| element.value().attr("id")).map(str::to_owned).collect()
    };
    for (behind, dialogs) in [
        ("keys", &["key-new-mistakes", "key-reveal", "key-rotate-conflict", "key-revoke-mistakes"][..]),
        ("key-show-rotating", &["key-rotate-conflict", "key-revoke-mistakes", "key-reveal"]),
        ("members", &["member-invite-mistakes", "member-invited", "member-remove"]),
        ("profiles", &["profile"]),
        ("organization", &["org-leave"]),
    ] {
        let page = ids(&html(behind).0);
        for dialog in dialogs {
            let shared: Vec<_> = ids(&html(dialog).1).intersection(&page).cloned().collect();
            assert!(shared.is_empty(), "{dialog} over {behind}: {shared:?}");
        }
    }
}

fn all(selector: &str) -> Selector {
    Selector::parse(selector).unwrap()
}

/// What must hold of every piece of HTML.
fn check(name: &str, document: &Html, source: &str, faults: &mut Vec<String>) {
    let serious: Vec<_> = document.errors.iter().filter(|error| !error.contains("DOCTYPE")).collect();
    if !serious.is_empty() {
        faults.push(format!("{name}: {serious:?}"));
    }
    if source.contains("{{") || source.contains("{%") {
        faults.push(format!("{name}: template marks came through"));
    }
    let mut ids = HashSet::new();
    for element in document.select(&all("*")) {
        let tag = element.value();
        for (attribute, _) in tag.attrs() {
            if attribute == "style" || attribute.starts_with("on") || attribute.starts_with("hx-on") {
                faults.push(format!("{name}: <{} {attribute}>", tag.name()));
            }
        }
        if let Some(id) = tag.attr("id")
            && !ids.insert(id.to_owned())
        {
            faults.push(format!("{name}: two elements have the id {id}"));
        }
    }
    check_forms(name, document, faults);
    check_references(name, document, &ids, faults);
    for script in document.select(&all("script")) {
        if script.value().attr("src").is_none() || script.text().any(|text| !text.trim().is_empty()) {
            faults.push(format!("{name}: an inline script"));
        }
    }
    if document.select(&all("style")).next().is_some() {
        faults.push(format!("{name}: an inline style"));
    }
}

fn check_forms(name: &str, document: &Html, faults: &mut Vec<String>) {
    for form in document.select(&all("form")) {
        let form = form.value();
        let (Some(method), Some(action)) = (form.attr("method"), form.attr("action")) else {
            faults.push(format!("{name}: a form without method or action"));
            continue;
        };
        if !["get", "post"].contains(&method) || !action.starts_with('/') {
            faults.push(format!("{name}: a form with {method} {action}"));
        }
        for htmx in ["hx-get", "hx-post"] {
            if form.attr(htmx).is_some_and(|url| url != action || !htmx.ends_with(method)) {
                faults.push(format!("{name}: {htmx} is not the form's own {method} {action}"));
            }
        }
    }
    for link in document.select(&all("[data-dialog]")) {
        // Where it leads is asked of its address alone, with the dialog and without.
        if !link.value().attr("href").is_some_and(|url| url.starts_with('/')) {
            faults.push(format!("{name}: what opens a dialog is no link: {}", link.html()));
        }
    }
    for input in document.select(&all("input, select, textarea")) {
        let tag = input.value();
        let id = tag.attr("id").unwrap_or("");
        let labelled = tag.attr("type") == Some("hidden")
            || tag.attr("aria-label").is_some()
            || (!id.is_empty() && document.select(&all("label")).any(|label| label.value().attr("for") == Some(id)));
        if !labelled {
            faults.push(format!("{name}: an input without a label: {:?} {id}", tag.attr("name")));
        }
    }
    for control in document.select(&all("button, a[href], summary")) {
        let text: String = control.text().collect();
        if text.trim().is_empty() && control.value().attr("aria-label").is_none() {
            faults.push(format!("{name}: a button or link without a name"));
        }
    }
}

/// What points to an id must find it.
fn check_references(name: &str, document: &Html, ids: &HashSet<String>, faults: &mut Vec<String>) {
    for (selector, attribute) in [
        ("[aria-describedby]", "aria-describedby"),
        ("section[aria-labelledby]", "aria-labelledby"),
        ("label[for]", "for"),
    ] {
        for element in document.select(&all(selector)) {
            for id in element.value().attr(attribute).unwrap_or("").split_whitespace() {
                if !ids.contains(id) {
                    faults.push(format!("{name}: {attribute} points to {id}, which is not there"));
                }
            }
        }
    }
    for link in document.select(&all("a[href^='#']")) {
        let target = link.value().attr("href").unwrap_or("").trim_start_matches('#');
        if !ids.contains(target) {
            faults.push(format!("{name}: a link to #{target}, which is not there"));
        }
    }
}

/// What must hold of whole pages besides.
fn check_page(name: &str, document: &Html, faults: &mut Vec<String>) {
    for (selector, count) in [("h1", 1), ("main", 1), ("title", 1), ("#live[role=status]", 1), ("dialog#dialog", 1)] {
        let found = document.select(&all(selector)).count();
        if found != count {
            faults.push(format!("{name}: {found} of {selector}, not {count}"));
        }
    }
    let title: String = document.select(&all("title")).flat_map(|title| title.text()).collect();
    if title.starts_with(" ·") || !title.ends_with("Keyrack") {
        faults.push(format!("{name}: the title is “{title}”"));
    }
    let has_mistake = document.select(&all("[aria-invalid], #error-summary")).next().is_some();
    if has_mistake && !title.starts_with("Error: ") && !name.starts_with("audit") && !name.starts_with("key-show") {
        faults.push(format!("{name}: a page with mistakes is titled “{title}”"));
    }
}

fn write(folder: &Path, name: &str, view: &dyn View) {
    fs::create_dir_all(folder.join("static")).unwrap();
    for asset in assets::all() {
        fs::write(folder.join("static").join(asset.file), asset.raw).unwrap();
    }
    let page = view.page().unwrap().replace("\"/static/", "\"static/");
    fs::write(folder.join(format!("{name}.html")), &page).unwrap();
    fs::write(folder.join(format!("{name}.panel")), view.panel().unwrap()).unwrap();
    let dialog = samples::behind_a_dialog().page().unwrap().replace("\"/static/", "\"static/").replace(
        "<div id=\"dialog-body\" data-panel></div>",
        &format!("<div id=\"dialog-body\" data-panel>{}</div>", view.panel().unwrap()),
    );
    let dialog = dialog.replace("<dialog id", "<dialog open id");
    if samples::IN_DIALOGS.iter().any(|start| name.starts_with(start)) {
        fs::write(folder.join(format!("dialog-{name}.html")), dialog).unwrap();
    }
}
