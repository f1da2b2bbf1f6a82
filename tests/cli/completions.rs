//! Completion scripts, in the shells that they are for. A shell that is missing is a failure: tests/run installs it.

use std::process::Command;

use crate::support::Home;
use crate::support::terminal::Terminal;

/// A home in which this shell's script is a file.
fn with_script(shell: &str, file: &str) -> Home {
    let home = Home::new().named("outkit");
    let script = home.run(&["completions", shell]).ok().stdout;
    home.file(file, &script)
}

/// What a shell prints that runs this, in the folder of the script.
#[track_caller]
fn printed(home: &Home, shell: &str, args: &[&str]) -> String {
    let output = Command::new(shell).args(args).current_dir(home.cwd()).env("HOME", home.path("")).output();
    let output = output.unwrap_or_else(|error| panic!("{shell}: {error}"));
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_with_it() {
    let home = with_script("bash", "outkit.bash");
    let words = |words: &str, last: &str, before: &str| {
        let ask = format!(
            "source ./outkit.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _outkit outkit '{last}' '{before}'; echo \"${{COMPREPLY[@]}}\""
        );
        printed(&home, "bash", &["--norc", "-c", &ask]).trim().to_owned()
    };
    assert_eq!(words("outkit keys ro", "ro", "keys"), "rotate");
    assert_eq!(words("outkit keys rotate --gr", "--gr", "rotate"), "--grace");
}

#[test]
fn fish_completes_with_it() {
    let home = with_script("fish", "outkit.fish");
    let first_word = |typed: &str| {
        let ask = format!("source outkit.fish; complete -C '{typed}'");
        let lines = printed(&home, "fish", &["--no-config", "-c", &ask]);
        lines.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(first_word("outkit keys ro"), ["rotate"]);
    assert_eq!(first_word("outkit keys rotate --gr"), ["--grace"]);
}

#[test]
fn zsh_completes_with_it() {
    let home = with_script("zsh", "_outkit");
    let environment = [("HOME", home.path("").into_os_string()), ("PATH", std::env::var_os("PATH").unwrap())];
    let environment = environment.map(|(name, value)| (name.into(), value));
    let mut zsh = Terminal::start("zsh".as_ref(), &["-f", "-i"], home.cwd(), &environment, 100);
    zsh.type_in("fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; echo rea''dy\r");
    zsh.wait_for("\nready\n");
    zsh.type_in("outkit keys ro\t");
    zsh.wait_for("outkit keys rotate");
    zsh.type_in("dev --gr\t");
    zsh.wait_for("dev --grace");
}

/// PowerShell is no package of Debian's, so only its script is looked at.
#[test]
fn the_script_for_powershell_registers_every_command() {
    let home = Home::new().named("outkit");
    let script = home.run(&["completions", "powershell"]).ok().stdout;
    assert!(script.contains("Register-ArgumentCompleter -Native -CommandName 'outkit'"), "{script}");
    for words in ["'outkit;keys;rotate' {", "'rotate', 'rotate'", "'--grace', '--grace'"] {
        assert!(script.contains(words), "{words}: {script}");
    }
    home.run(&["completions", "tcsh"]).failed(2, "tcsh");
}
