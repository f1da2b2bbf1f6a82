//! The reference of the command line in Markdown, made from the tree that understands it.

use std::fmt::Write as _;

use clap::{Arg, Command as Tree};

use super::tree;

/// All commands: those that speak to a server under the product's name, those of the server under Keyrack's own.
#[must_use]
pub fn reference(cli_name: &str) -> String {
    let (client, server) = tree::halves(cli_name);
    let mut text = String::from("## Commands for everybody\n\n");
    flags(&mut text, &globals(&client));
    commands(&mut text, &client, cli_name, &globals(&client));
    text.push_str(
        "\n## Commands on the server\n\nThey open the database or the settings of the server they run on.\n\n",
    );
    flags(&mut text, &globals(&server));
    commands(&mut text, &server, "keyrack", &globals(&server));
    text
}

/// The flags that every command takes; said once.
fn globals(tree: &Tree) -> Vec<Arg> {
    tree.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect()
}

/// Writing to a text cannot fail.
fn commands(text: &mut String, tree: &Tree, path: &str, globals: &[Arg]) {
    for below in tree.get_subcommands().filter(|below| !below.is_hide_set()) {
        let path = format!("{path} {}", below.get_name());
        if below.has_subcommands() {
            commands(text, below, &path, globals);
            continue;
        }
        let _ = writeln!(text, "### `{path}`\n");
        let about = below.get_long_about().or_else(|| below.get_about()).map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "{}\n", sentence(&about));
        let usage = below.clone().bin_name(path).render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        let _ = writeln!(text, "```text\n{usage}\n```\n");
        let own = below.get_arguments().filter(|arg| !globals.iter().any(|global| global.get_id() == arg.get_id()));
        flags(text, &own.cloned().collect::<Vec<_>>());
    }
}

fn flags(text: &mut String, arguments: &[Arg]) {
    let shown: Vec<&Arg> = arguments.iter().filter(|arg| !arg.is_hide_set() && arg.get_id() != "help").collect();
    if shown.is_empty() {
        return;
    }
    text.push_str("| | |\n|---|---|\n");
    for arg in shown {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default =
            if defaults.is_empty() { String::new() } else { format!(" (otherwise `{}`)", defaults.join(" ")) };
        let _ = writeln!(text, "| `{}` | {}{default} |", name_of(arg), help.replace('|', "\\|"));
    }
    text.push('\n');
}

fn name_of(arg: &Arg) -> String {
    let value = match arg.get_value_names().and_then(|names| names.first()) {
        Some(name) if arg.get_action().takes_values() => format!("<{name}>"),
        Some(_) | None => String::new(),
    };
    let dashed: Vec<String> =
        [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))]
            .into_iter()
            .flatten()
            .collect();
    let name = dashed.join(", ");
    if name.is_empty() { value } else { format!("{name} {value}").trim_end().to_owned() }
}

/// Short helps have no full stop.
fn sentence(about: &str) -> String {
    if about.ends_with(['.', '!', '?']) { about.to_owned() } else { format!("{about}.") }
}
