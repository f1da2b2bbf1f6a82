//! The whole command line as one tree: with the server's commands under Keyrack's own name, without them under a product's.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, Command as Tree, CommandFactory as _, Error, FromArgMatches as _, Parser};

use super::client::{Brand, ClientCommand, GLOBAL_IDS, Globals};
use super::{Cli, Command, SETTINGS_IDS};

/// Arguments that were understood.
pub(super) enum Parsed {
    /// A command of the server's, or none, which serves.
    Server(Box<Cli>),
    /// A command of the client's.
    Client(Box<(ClientCommand, Globals)>),
}

/// Manage API keys from a terminal
#[derive(Debug, Parser)]
#[command(name = "keyrack", version, disable_help_subcommand = true, arg_required_else_help = true)]
struct Product {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: ClientCommand,
}

/// The tree as this product shows it.
pub(super) fn of(brand: &Brand) -> Tree {
    let name = brand.cli.clone();
    if !brand.is_ours() {
        let about = format!("Manage {} API keys from a terminal", brand.product);
        // clap wants a name that lives on; there is one per process.
        let tree = Product::command().name(&*name.clone().leak()).bin_name(name).about(about);
        return with_notes(tree, &notes(brand));
    }
    // A command shows the flags that mean something to it; clap passes flags on only where they are not there already.
    let tree = Cli::command().after_long_help(notes(brand));
    let hidden = |ids: &[&str]| {
        let flags = tree.get_arguments().filter(|flag| ids.contains(&flag.get_id().as_str()));
        flags.map(|flag| flag.clone().hide(true)).collect::<Vec<_>>()
    };
    let (settings, globals) = (hidden(SETTINGS_IDS), hidden(GLOBAL_IDS));
    let of_client: Vec<String> =
        Product::command().get_subcommands().map(|below| below.get_name().to_owned()).collect();
    tree.mut_subcommands(|below| {
        if of_client.iter().any(|name| name == below.get_name()) {
            with_notes(below.args(settings.clone()), &notes(brand))
        } else {
            below.args(globals.clone())
        }
    })
}

/// The client's commands under this name, and the server's; for the reference.
pub(super) fn halves(cli_name: &str) -> (Tree, Tree) {
    // clap wants a name that lives on; a server asks once.
    let client = Product::command().name(&*cli_name.to_owned().leak());
    let of_client: Vec<String> = client.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let server =
        Cli::command().mut_args(|arg| if GLOBAL_IDS.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg });
    let server = server.mut_subcommands(|below| {
        let hide = of_client.iter().any(|name| name == below.get_name());
        below.hide(hide)
    });
    (client, server)
}

/// What holds for every command of the client.
fn notes(brand: &Brand) -> String {
    let Brand { project_file, .. } = brand;
    let (key, server) = (brand.key_variable(), brand.server_variable());
    let width = key.len().max(server.len());
    let help = brand.support_url.as_ref().map(|url| format!("\n\nHelp: {url}")).unwrap_or_default();
    format!(
        "Variables:\n  {key:<width$}  The API key to use instead of a sign-in\n  {server:<width$}  The server to talk to\n\n\
         The server is the one of --server, of {server}, of {project_file} in this folder or above it within the git repository,\n\
         or of the newest sign-in, in this order. The credential is the key of --key-file, of {key}, or the sign-in.\n\n\
         Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 not signed in, 5 forbidden or not in the plan, 6 limit,\n\
         7 cancelled, 8 network{help}"
    )
}

/// Reads the arguments.
///
/// # Errors
/// clap's own, which prints itself; help and version are such errors too.
pub(super) fn parse(brand: &Brand, args: &[OsString]) -> Result<Parsed, Error> {
    let mut tree = of(brand);
    if args.iter().any(|arg| arg == "--no-color") {
        tree = tree.color(ColorChoice::Never);
    }
    let matches = tree.try_get_matches_from_mut(args).map_err(|error| with_suggestion(error, &tree))?;
    if !brand.is_ours() {
        let product = Product::from_arg_matches(&matches).map_err(|error| error.format(&mut tree))?;
        return Ok(Parsed::Client(Box::new((product.command, product.globals))));
    }
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut tree))?;
    let (of_server, of_client) = (cli.settings.given(), cli.globals.given());
    match (cli, of_server, of_client) {
        (Cli { command: Some(Command::Client(command)), globals, .. }, None, _) => {
            Ok(Parsed::Client(Box::new((command, globals))))
        }
        (Cli { command: Some(Command::Client(_)), .. }, Some(flag), _) => Err(tree
            .error(ErrorKind::ArgumentConflict, format!("{flag} is a setting of the server; this command has none"))),
        (cli, _, None) => Ok(Parsed::Server(Box::new(cli))),
        (_, _, Some(flag)) => {
            Err(tree
                .error(ErrorKind::ArgumentConflict, format!("{flag} belongs to the commands that speak to a server")))
        }
    }
}

/// Points from a command that is not there to one of that name further down: from `login` to `auth login`, not to `logs`.
fn with_suggestion(mut error: Error, tree: &Tree) -> Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let below = |top: &Tree| {
        let paths =
            top.get_subcommands().map(|leaf| (format!("{} {}", top.get_name(), leaf.get_name()), leaf.get_name()));
        paths.filter(|(_, leaf)| leaf == typed).map(|(path, _)| path).collect::<Vec<_>>()
    };
    let paths: Vec<String> = tree.get_subcommands().flat_map(below).collect();
    if !paths.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(paths));
    }
    error
}

/// The same notes below the long help of a command and of each below it.
fn with_notes(command: Tree, notes: &str) -> Tree {
    command.after_long_help(notes.to_owned()).mut_subcommands(|below| with_notes(below, notes))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::cli::client::Environment;

    fn trees() -> Vec<Tree> {
        ["keyrack", "outkit"].map(|name| of(&Brand::find(OsStr::new(name), &Environment::of(&[])))).into()
    }

    #[test]
    fn the_command_trees_are_consistent() {
        trees().into_iter().for_each(Tree::debug_assert);
    }

    #[test]
    fn help_is_imperative_and_has_no_full_stop() {
        let mut waiting = trees();
        while let Some(command) = waiting.pop() {
            let texts = command.get_arguments().filter_map(|argument| argument.get_help().map(ToString::to_string));
            for text in texts.chain(command.get_about().map(ToString::to_string)) {
                assert!(!text.ends_with('.') && text.starts_with(char::is_uppercase), "{}: {text}", command.get_name());
            }
            waiting.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn flags_of_the_server_and_of_the_client_do_not_mix() {
        let brand = Brand::find(OsStr::new("keyrack"), &Environment::of(&[]));
        let parsed = |line: &str| parse(&brand, &line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(matches!(parsed("keyrack healthcheck --listen 127.0.0.1:1"), Ok(Parsed::Server(_))));
        assert!(matches!(parsed("keyrack --listen 127.0.0.1:1"), Ok(Parsed::Server(_))));
        for line in ["keyrack --json keys list", "keyrack keys --json list", "keyrack keys list --json"] {
            let Ok(Parsed::Client(given)) = parsed(line) else { panic!("{line}") };
            assert!(given.1.json, "{line}");
        }
        assert!(parsed("keyrack keys list --listen 127.0.0.1:1").is_err());
        assert!(parsed("keyrack serve --json").is_err());
        let help = parsed("keyrack keys list --help").err().unwrap().render().to_string();
        assert!(help.contains("--json") && help.contains("KEYRACK_API_KEY") && !help.contains("--listen"), "{help}");
        let help = parsed("keyrack serve --help").err().unwrap().render().to_string();
        assert!(!help.contains("--json") && help.contains("--listen"), "{help}");
    }

    #[test]
    fn a_mistyped_command_is_pointed_to_the_right_one() {
        let brand = Brand::find(OsStr::new("outkit"), &Environment::of(&[]));
        for (typed, meant) in
            [("login", "auth login"), ("kyes list", "keys"), ("keys rotat X", "rotate"), ("tail", "logs tail")]
        {
            let line = format!("outkit {typed}");
            let error = parse(&brand, &line.split(' ').map(OsString::from).collect::<Vec<_>>()).err().unwrap();
            assert!(error.render().to_string().contains(&format!("'{meant}'")), "{typed}: {}", error.render());
        }
    }
}
