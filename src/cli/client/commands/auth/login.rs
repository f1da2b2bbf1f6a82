//! `auth login`: the person allows this device in a browser (RFC 8628), or hands over a token that they have.

use std::io::BufRead as _;

use clap::Args;
use serde_json::{Value, json};

use super::device::{self, Codes, Pending, Token};
use crate::cli::CliError;
use crate::cli::client::answers::WhoAmI;
use crate::cli::client::brand::ServerBrand;
use crate::cli::client::context::{Context, NamedBy, Server};
use crate::cli::client::credential::read_token;
use crate::cli::client::env::Environment;
use crate::cli::client::origin::Origin;
use crate::cli::client::out::Look;
use crate::cli::client::store::{Kept, Kind, Login, Storage, Store};
use crate::cli::client::text::clean;
use crate::domain::time::Span;

/// `auth login`
#[derive(Debug, Args)]
pub(in crate::cli) struct LoginArgs {
    /// Print the address instead of opening a browser
    #[arg(long)]
    no_browser: bool,
    /// Read a token or an API key from standard input and keep it
    #[arg(long, conflicts_with = "complete")]
    with_token: bool,
    /// Finish the sign-in that was begun without a terminal
    #[arg(long)]
    complete: bool,
    /// Keep the sign-in in a file even where there is a keyring
    #[arg(long)]
    insecure_storage: bool,
}

pub(super) fn run(context: &Context, args: &LoginArgs) -> Result<(), CliError> {
    let (mut store, project) = (context.store(), context.project()?);
    // Before anybody is asked to allow anything: a list that cannot be read cannot be added to.
    store.logins()?;
    let pending = if args.complete { Pending::load(context)? } else { None };
    if args.complete && pending.is_none() {
        return Err(CliError::usage(format!("No sign-in was begun. Begin: {} auth login", context.brand.cli)));
    }
    let begun_at = pending.as_ref().and_then(Pending::origin);
    let server = match begun_at.map(|origin| Server { origin, by: NamedBy::Flag }) {
        Some(server) => {
            must_be_the_one_named(context, &server.origin)?;
            server
        }
        None => context.server(&store, project.as_ref())?.ok_or_else(|| no_server(context))?,
    };
    refuse_plain_http(context, &server.origin)?;
    let variable = context.brand.key_variable();
    if context.env.get(&variable).is_some() {
        context.out.warn(&format!("{variable} is set, and goes before the sign-in until you unset it."));
    }
    if args.with_token {
        let token = token_from_stdin(context, &store, &server)?;
        return finish(context, &mut store, &server.origin, token, args);
    }
    let http = context.http(&server.origin)?;
    if let Some(pending) = pending {
        let waited = pending.wait(&http, context.clock.now(), true);
        Pending::forget(context);
        return finish(context, &mut store, &server.origin, waited?, args);
    }
    let codes = device::begin(&http, device_name(&context.env).as_deref())?;
    let pending = Pending::new(&server.origin, &codes, context.clock.now());
    if !context.out.is_interactive() {
        pending.save(context)?;
        return context.out.json(&first_step(context, &server.origin, &codes));
    }
    invite(context, &server, &codes, args);
    let token = pending.wait(&http, context.clock.now(), false)?;
    finish(context, &mut store, &server.origin, token, args)
}

/// What was begun on one server is not finished in the name of another.
fn must_be_the_one_named(context: &Context, begun_at: &Origin) -> Result<(), CliError> {
    let named = context.globals.server.as_deref().map(Origin::parse).transpose();
    match named.map_err(|why| CliError::usage(format!("--server: {why}")))? {
        Some(named) if named != *begun_at => Err(CliError::usage(format!(
            "The sign-in that was begun is for {begun_at}, not for {named}. Begin again: {} auth login --server {named}",
            context.brand.cli
        ))),
        _ => Ok(()),
    }
}

fn no_server(context: &Context) -> CliError {
    CliError::usage(format!("Which server? Pass --server URL, or set {}.", context.brand.server_variable()))
}

/// A password will be typed there, and a token comes back.
fn refuse_plain_http(context: &Context, origin: &Origin) -> Result<(), CliError> {
    if !origin.is_readable_on_the_way() {
        return Ok(());
    }
    if !origin.is_private() {
        return Err(CliError::usage(format!(
            "{origin} is not encrypted: everybody on the way could sign in as you. Use https."
        )));
    }
    context.out.warn(&format!("{origin} is not encrypted: everybody in that network could sign in as you."));
    Ok(())
}

/// A token is only sent to a server that the person names, or is signed in to.
fn token_from_stdin(context: &Context, store: &Store, server: &Server) -> Result<Token, CliError> {
    if server.by == NamedBy::ProjectFile && store.login(&server.origin)?.is_none() {
        return Err(CliError::usage(format!(
            "Only {} names {origin}. A token is sent there if you say so yourself: --server {origin}",
            context.brand.project_file,
            origin = server.origin
        )));
    }
    if context.out.may_ask() {
        context.out.talk(&format!("Paste the token for {}, then Enter and Ctrl-D:", server.origin.host()));
    }
    Ok(Token { text: read_token(&server.origin)?, expires_in: None })
}

/// Without a terminal: what the person is to do, and how to go on.
fn first_step(context: &Context, origin: &Origin, codes: &Codes) -> Value {
    json!({
        "server": origin.as_str(),
        "verification_uri": codes.verification_uri,
        "verification_uri_complete": codes.verification_uri_complete,
        "user_code": codes.user_code,
        "expires_in": codes.expires_in,
        "next_step": format!("{} auth login --complete --server {origin}", context.brand.cli),
    })
}

/// On a terminal: shows the code, and opens the page when Enter is pressed.
fn invite(context: &Context, server: &Server, codes: &Codes, args: &LoginArgs) {
    let out = &context.out;
    let by = match server.by {
        NamedBy::ProjectFile => format!(", which {} names", context.brand.project_file),
        _ => String::new(),
    };
    let page = clean(codes.verification_uri_complete.as_ref().unwrap_or(&codes.verification_uri));
    // The code must be seen even with --quiet: nothing goes on without it.
    out.must_say(&format!("Signing in to {}{by}", out.err(server.origin.host(), Look::Strong)));
    out.must_say(&format!("Your code: {}", out.err(&clean(&codes.user_code), Look::Strong)));
    if args.no_browser || !out.may_ask() || !has_browser(&context.env) {
        out.must_say(&format!("Open {page} in a browser, compare the code, and allow this device."));
        return;
    }
    out.must_say(&format!("Press Enter to open {page} in your browser, compare the code, and allow this device."));
    let (warner, minutes) = (out.clone(), codes.expires_in / 60);
    out.talk(&format!("Waiting, {minutes} minutes at most. Ctrl-C to stop."));
    // It is left behind if the person opens the page by other means.
    std::thread::spawn(move || {
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).is_ok_and(|read| read > 0) {
            let quietly = webbrowser::BrowserOptions::new().with_suppress_output(true).to_owned();
            if webbrowser::open_browser_with_options(webbrowser::Browser::Default, &page, &quietly).is_err() {
                warner.must_say(&format!("No browser could be opened. Open {page} yourself."));
            }
        }
    });
}

/// Over SSH a browser would open on the wrong machine; without a display there is none, or one that takes the terminal.
fn has_browser(env: &Environment) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| env.get(name).is_some());
    let is_remote = any(&["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"]);
    let has_display = cfg!(any(target_os = "macos", target_os = "windows"));
    !is_remote && (has_display || any(&["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"]))
}

/// How the person recognises this device on the page.
fn device_name(env: &Environment) -> Option<String> {
    let of_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = of_kernel.or_else(|| env.get("HOSTNAME").map(str::to_owned))?;
    Some(clean(name.trim())).filter(|name| !name.is_empty())
}

/// Checks the token, keeps it, and says as whom.
fn finish(
    context: &Context,
    store: &mut Store,
    origin: &Origin,
    token: Token,
    args: &LoginArgs,
) -> Result<(), CliError> {
    let refused = format!("{origin} does not accept that token.");
    let http = context.http(origin)?.with_credential(token.text.clone(), refused);
    let who: WhoAmI = http.get("/v1/whoami", &[]).inspect_err(|_| {
        // Nobody would have the token that was just made, so it should not work. If the server does not hear it, it expires.
        if !args.with_token {
            let _ = http.send("POST", "/v1/device/revoke", None, &[]);
        }
    })?;
    let kind = match who.credential.kind.as_str() {
        "cli_token" => Kind::Person,
        "api_key" => Kind::ApiKey,
        _ => return Err(CliError::usage("That is a token for a backend, not for a person. It is not kept.")),
    };
    let user = who.user.clone().ok_or_else(|| CliError::new(format!("{origin} does not say whose token that is.")))?;
    let login = Login {
        storage: Storage::File,
        kind,
        email: user.email.clone(),
        name: user.name.clone(),
        org: who.org.as_ref().map(|org| org.slug.clone()),
        signed_in_at: Some(context.clock.now()),
        expires_at: token.expires_in.map(|seconds| context.clock.now().plus(Span::seconds(seconds))),
    };
    let (kept, replaced) = store.keep(origin, login, &token.text, args.insecure_storage)?;
    if let Some(old) = replaced {
        // Nobody has it any more, so it should not work any more. If the server does not hear it, it expires.
        let http = context.http(origin)?.with_credential(old, String::new());
        let _ = http.send("POST", "/v1/device/revoke", None, &[]);
    }
    let brand = http.get::<ServerBrand>("/v1/brand", &[]).ok();
    report(context, origin, &who, &user.name, &kept, args.complete)?;
    if let Some(next) = brand.and_then(|said| context.brand.remember(&context.env, origin, &said)) {
        let (key, file) = (next.key_variable(), next.project_file);
        context.out.talk(&format!("From now on {} reads {key} and {file}.", next.cli));
    }
    Ok(())
}

fn report(
    context: &Context,
    origin: &Origin,
    who: &WhoAmI,
    name: &str,
    kept: &Kept,
    is_second_step: bool,
) -> Result<(), CliError> {
    let out = &context.out;
    let org = who.org.as_ref();
    if out.is_json() || is_second_step {
        let storage = if *kept == Kept::Keyring { Storage::Keyring } else { Storage::File };
        let user = who.user.as_ref().map(|user| json!({"email": user.email, "name": user.name}));
        let org = org.map(|org| json!({"slug": org.slug, "name": org.name}));
        let role = who.role.as_deref();
        let server = origin.as_str();
        out.json(&json!({"server": server, "user": user, "org": org, "role": role, "storage": storage.as_str()}))?;
    }
    let place: Vec<String> = who.role.iter().cloned().chain(org.map(|org| org.name.clone())).collect();
    let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) };
    out.talk(&clean(&format!("Signed in to {} as {name}{place}.", origin.host())));
    match kept {
        Kept::Keyring => {}
        Kept::File(path) => out.warn(&format!("Stored unencrypted in {}.", path.display())),
        Kept::ForWantOfAKeyring(path) => {
            out.warn(&format!("The system keyring is not available. Stored unencrypted in {}.", path.display()));
        }
    }
    Ok(())
}
