//! A command on a real terminal.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// It, and what it has shown so far.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    _master: Box<dyn MasterPty + Send>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) code: u32,
    /// Without colours and cursor movements.
    pub(crate) text: String,
    /// As it came.
    pub(crate) raw: String,
}

const PATIENCE: Duration = Duration::from_secs(30);

impl Terminal {
    /// Starts a program on a terminal of so many columns, with these variables only.
    pub(crate) fn start(program: &Path, args: &[&str], cwd: &Path, env: &[(OsString, OsString)], columns: u16) -> Self {
        let size = PtySize { rows: 40, cols: columns, ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(cwd);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        env.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        // The program alone holds the other end, so that its end is seen.
        drop(pair.slave);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut source, sink) = (pair.master.try_clone_reader().unwrap(), shown.clone());
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read) = source.read(&mut buffer) {
                if read == 0 {
                    break;
                }
                sink.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { child, writer, shown, reader: Some(reader), _master: pair.master }
    }

    /// What it has shown so far, without colours and cursor movements.
    pub(crate) fn text(&self) -> String {
        without_escapes(&String::from_utf8_lossy(&self.shown.lock().unwrap()))
    }

    /// Waits until this is shown; everything shown by then.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let has_ended = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            let shown = self.text();
            if shown.contains(text) {
                return shown;
            }
            assert!(!has_ended, "it ended without “{text}”:\n{shown}");
            assert!(Instant::now() < deadline, "“{text}” does not come:\n{shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types this; `\r` is Enter, `\x03` is Ctrl-C.
    pub(crate) fn type_in(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn end(mut self) -> Shown {
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                break ended;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.reader.take().unwrap().join().unwrap();
        let raw = String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned();
        Shown { code: ended.exit_code(), text: without_escapes(&raw), raw }
    }
}

impl Shown {
    /// That it ended like this.
    #[track_caller]
    pub(crate) fn ends(self, code: u32) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Gone already when it has ended.
        let _ = self.child.kill();
    }
}

/// The text without ANSI sequences, with plain line ends. A line that was cleared is gone: on a slow day a spinner turned there.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\x1b' && chars.next_if_eq(&'[').is_some() {
            let mut sequence = String::new();
            for c in chars.by_ref() {
                sequence.push(c);
                if ('\x40'..='\x7e').contains(&c) {
                    break;
                }
            }
            if sequence == "2K" {
                out.truncate(out.rfind('\n').map_or(0, |end| end + 1));
            }
        } else if c != '\r' {
            out.push(c);
        }
    }
    out
}

#[test]
fn the_screen_shows_what_is_left_on_it() {
    let raw = "\r\x1b[2K⠁ Waiting for 127.0.0.1\r\x1b[2K⠂ Waiting for 127.0.0.1\r\x1b[2K\x1b[2mID\x1b[0m  NAME\r\nprof  x\r\n";
    assert_eq!(without_escapes(raw), "ID  NAME\nprof  x\n");
}
