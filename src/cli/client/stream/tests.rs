use std::collections::VecDeque;
use std::io::Cursor;

use super::*;
use crate::cli::ExitCode;

/// Connections that were made up beforehand; what was done with them.
#[derive(Default)]
struct Script {
    connections: VecDeque<Result<&'static str, Refusal>>,
    asked: Vec<Option<String>>,
    taken: Vec<String>,
    said: Vec<String>,
    waited: Vec<u64>,
    now: Duration,
    enough: usize,
}

impl Feed for Script {
    fn connect(&mut self, last_id: Option<&str>) -> Result<Body, Refusal> {
        self.asked.push(last_id.map(str::to_owned));
        let next = self.connections.pop_front().unwrap_or_else(|| Err(Refusal::Final(CliError::new("over"))));
        next.map(|text| Box::new(Cursor::new(text)) as Body)
    }
    fn take(&mut self, message: &Message) -> Result<(), CliError> {
        self.taken.push(format!("{} {}", message.id, message.data));
        if self.taken.len() < self.enough { Ok(()) } else { Err(CliError::silent(ExitCode::Ok)) }
    }
    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }
    fn wait(&mut self, length: Duration) {
        self.waited.push(length.as_secs());
        self.now += length;
    }
    fn uptime(&self) -> Duration {
        self.now
    }
}

fn script(connections: impl IntoIterator<Item = Result<&'static str, Refusal>>) -> Script {
    Script { connections: connections.into_iter().collect(), enough: usize::MAX, ..Script::default() }
}

fn later() -> Result<&'static str, Refusal> {
    Err(Refusal::Later(CliError::new("busy")))
}

#[test]
fn a_cut_stream_goes_on_from_the_last_whole_event() {
    let mut script = script([
        Ok("retry: 3000\nid: 5\n\nid: 6\ndata: a\n\nid: 7\ndata: ha"),
        Ok("id: 6\n\nid: 7\ndata: b\n\n"),
        Ok(""),
        Ok("id: 8\ndata: c\n\n"),
    ]);
    assert_eq!(follow(&mut script), Err(CliError::new("over")));
    assert_eq!(script.taken, ["6 a", "7 b", "8 c"]);
    let asked: Vec<Option<&str>> = script.asked.iter().map(Option::as_deref).collect();
    assert_eq!(asked, [None, Some("6"), Some("7"), Some("7"), Some("8")]);
    assert_eq!(script.said, ["reconnected, 3 s gap", "reconnected, 2 s gap", "reconnected, 2 s gap"]);
}

#[test]
fn tries_become_rarer() {
    let mut script = script([Ok("id: 1\n\n"), later(), later(), later(), later(), Ok("")]);
    assert_eq!(follow(&mut script), Err(CliError::new("over")));
    assert_eq!(script.waited, [2, 4, 8, 16, 30, 2]);
    assert_eq!(script.said, ["! The connection is lost; trying again. busy", "reconnected, 60 s gap"]);
}

#[test]
fn the_first_connection_must_work() {
    assert_eq!(follow(&mut script([later()])), Err(CliError::new("busy")));
    assert_eq!(follow(&mut script([])), Err(CliError::new("over")));
}

#[test]
fn it_ends_when_nobody_reads() {
    let mut script = Script { enough: 1, ..script([Ok("id: 1\ndata: a\n\nid: 2\ndata: b\n\n")]) };
    assert_eq!(follow(&mut script), Err(CliError::silent(ExitCode::Ok)));
    assert_eq!(script.taken, ["1 a"]);
}
