//! What the command line asks for. `benches/run` fills in the paths.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::database::Kind;

/// All there are, in the order in which they run.
pub const CASES: [&str; 8] = ["check", "size", "memory", "page", "create", "flood", "revoke", "timing"];

pub struct Options {
    pub cases: Vec<String>,
    pub rounds: usize,
    pub seconds: u64,
    /// Numbers of keys, ascending.
    pub sizes: Vec<usize>,
    pub databases: Vec<Kind>,
    pub quick: bool,
    /// Only targets whose name holds this, beside the first.
    pub only: Option<String>,
    /// Where a proxy asks.
    pub auth: String,
    pub server_core: usize,
    pub load_core: usize,
    pub keyrack: PathBuf,
    /// What Keyrack was built from.
    pub from: String,
    pub bare: PathBuf,
    pub lua: PathBuf,
    pub work: PathBuf,
    pub out: PathBuf,
}

impl Options {
    pub fn read(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            cases: Vec::new(),
            rounds: 12,
            seconds: 1,
            sizes: vec![1_000, 100_000, 1_000_000],
            databases: vec![Kind::Sqlite, Kind::Postgres],
            quick: false,
            only: None,
            auth: "/v1/auth".to_owned(),
            server_core: 0,
            load_core: 1,
            keyrack: PathBuf::new(),
            from: String::new(),
            bare: PathBuf::new(),
            lua: PathBuf::new(),
            work: PathBuf::new(),
            out: PathBuf::new(),
        };
        let mut args = args.collect::<Vec<_>>().into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--sizes" => options.sizes = value()?.split(',').map(read_size).collect::<Result<_>>()?,
                "--big" => options.sizes.push(10_000_000),
                "--db" => {
                    options.databases = vec![match value()?.as_str() {
                        "sqlite" => Kind::Sqlite,
                        "postgres" => Kind::Postgres,
                        other => bail!("--db is sqlite or postgres, not {other}"),
                    }];
                }
                "--cores" => {
                    let text = value()?;
                    let (server, load) = text.split_once(',').context("--cores SERVER,LOAD")?;
                    (options.server_core, options.load_core) = (server.parse()?, load.parse()?);
                }
                "--only" => options.only = Some(value()?),
                "--auth" => options.auth = value()?,
                "--keyrack" => options.keyrack = value()?.into(),
                "--from" => options.from = value()?,
                "--bare" => options.bare = value()?.into(),
                "--lua" => options.lua = value()?.into(),
                "--work" => options.work = value()?.into(),
                "--out" => options.out = value()?.into(),
                "all" => {}
                "quick" => {
                    options.quick = true;
                    (options.rounds, options.seconds, options.sizes) = (1, 2, vec![1_000, 20_000]);
                }
                name if CASES.contains(&name) => options.cases.push(name.to_owned()),
                other => bail!("unknown: {other}; the cases are {}, all and quick", CASES.join(", ")),
            }
        }
        if options.cases.is_empty() {
            options.cases = CASES.iter().map(|name| (*name).to_owned()).collect();
        }
        options.sizes.sort_unstable();
        options.sizes.dedup();
        if options.sizes.is_empty() || !(1..=100).contains(&options.rounds) || !(1..=120).contains(&options.seconds) {
            bail!("at least one size, 1 to 100 rounds, 1 to 120 seconds");
        }
        Ok(options)
    }

    /// The usual number of keys.
    pub fn usual_size(&self) -> usize {
        if self.quick { 20_000 } else { 100_000 }
    }

    /// How often something is tried that is not fired by wrk.
    pub fn tries(&self, usual: usize) -> usize {
        if self.quick { usual / 10 } else { usual }
    }
}

fn read_size(text: &str) -> Result<usize> {
    let (digits, unit) = match text.to_lowercase() {
        text if text.ends_with('k') => (text[..text.len() - 1].to_owned(), 1_000),
        text if text.ends_with('m') => (text[..text.len() - 1].to_owned(), 1_000_000),
        text => (text, 1),
    };
    let size = digits.parse::<usize>()? * unit;
    if (100..=20_000_000).contains(&size) { Ok(size) } else { bail!("a size lies between 100 and 20m") }
}

/// 1 k, 100 k, 1 M.
pub fn human(size: usize) -> String {
    match size {
        size if size % 1_000_000 == 0 => format!("{} M", size / 1_000_000),
        size if size % 1_000 == 0 => format!("{} k", size / 1_000),
        size => size.to_string(),
    }
}
