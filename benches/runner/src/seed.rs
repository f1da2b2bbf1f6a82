//! A database full of organizations, people and keys, and a Keyrack that serves it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::Bench;
use crate::database::{Cell, Database, Kind, Table};
use crate::http::{Client, post};
use crate::keys::{self, Id, Numbers};
use crate::process::{Server, free_port, output, pinned};

const ORGS: usize = 100;
const MEMBERS: usize = 10;
/// Every so many-th key is revoked.
const REVOKED_EVERY: usize = 50;
/// Keys that are there to be revoked.
const VICTIMS: usize = 1_000;
const PASSWORD: &str = "correct-horse-battery-9";
/// Keys of the organization whose page is measured, and of the one with the long list.
const LISTS: [(&str, usize); 2] = [("Bench", 20), ("Large", 10_000)];
/// A limit that is counted on every check and never reached.
const SETTINGS: &str = "default_plan = \"bench\"\n[keys]\nkeys_may_manage_keys = true\n[[plans]]\nid = \"bench\"\n\
    name = \"Bench\"\nrequests_per_minute = 60_000_000\n";

/// A database with `size` keys and more, and its settings.
pub struct World {
    pub folder: PathBuf,
    pub database: Database,
    pub service_token: String,
    ids: Vec<Id>,
}

/// An id that is easily told from the seeded ones.
fn special(kind: &str, number: usize) -> Id {
    let mut id = [b'0'; 8];
    let text = format!("{kind}{number:05}");
    id.copy_from_slice(&text.as_bytes()[..8]);
    id
}

/// A key to be written.
struct Seeded {
    at: usize,
    id: Id,
    owner: Owner,
    is_revoked: bool,
}

/// Who owns what.
#[derive(Clone)]
struct Owner {
    org: String,
    user: String,
    profile: String,
}

impl World {
    /// Makes it; takes some seconds for a million keys.
    pub fn build(bench: &mut Bench, kind: Kind, size: usize) -> Result<Self> {
        bench.worlds += 1;
        let name = format!("world{}", bench.worlds);
        let folder = bench.options.work.join(&name);
        std::fs::create_dir_all(&folder)?;
        let database = match kind {
            Kind::Sqlite => Database::Sqlite(folder.join("keyrack.db")),
            Kind::Postgres => bench.cluster()?.create(&name)?,
        };
        std::fs::write(folder.join("keyrack.toml"), SETTINGS)?;
        std::fs::write(folder.join("password"), PASSWORD)?;
        let mut world = Self { folder, database, service_token: String::new(), ids: keys::ids(size) };
        world.run(bench, &["migrate"])?;
        for (organization, _) in LISTS {
            let email = format!("{}@bench.example", organization.to_lowercase());
            let args = [
                "--email",
                &email,
                "--name",
                "Bench Person",
                "--organization",
                organization,
                "--password-file",
                "password",
            ];
            world.run(bench, &[&["admin", "create-owner"], &args[..]].concat())?;
        }
        world.service_token = world.run(bench, &["admin", "service-token", "create", "bench"])?.trim().to_owned();
        world.fill()?;
        Ok(world)
    }

    fn command(&self, bench: &Bench) -> Command {
        let mut command = pinned(bench.options.server_core, "KILL", None, &bench.options.keyrack);
        command.current_dir(&self.folder).env("KEYRACK_DATABASE_URL", self.database.url());
        command
    }

    fn run(&self, bench: &Bench, args: &[&str]) -> Result<String> {
        output(self.command(bench).args(args))
    }

    fn fill(&self) -> Result<()> {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
        let owners = self.list_owners()?;
        let mut tables = people(now);
        // Every list of keys is walked twice: once for the keys, once for their secrets.
        tables.push(keys_table(Box::new(self.all_keys(&owners)), now));
        tables.push(secrets_table(Box::new(self.all_keys(&owners)), now));
        self.database.seed(tables)
    }

    fn all_keys<'a>(&'a self, owners: &'a [Owner]) -> impl Iterator<Item = Seeded> + 'a {
        let member = |at: usize, member: usize| Owner {
            org: org(at),
            user: user(at, member),
            profile: format!("prof_bench{at:04}"),
        };
        let ids = self.ids.iter().enumerate();
        let seeded = ids.map(move |(at, id)| {
            let owner = member(at % ORGS, at / ORGS % MEMBERS);
            Seeded { at, id: *id, owner, is_revoked: at % REVOKED_EVERY == 7 }
        });
        let whole =
            move |kind: &str, at: usize, owner: Owner| Seeded { at, id: special(kind, at), owner, is_revoked: false };
        let managers = (0..ORGS).map(move |at| whole("mng", at, member(at, 0)));
        let victims = (0..VICTIMS).map(move |at| whole("rvk", at, member(0, 0)));
        let lists = owners.iter().zip(LISTS).flat_map(|(owner, (name, count))| {
            let kind = name.to_lowercase()[..3].to_owned();
            (0..count).map(move |at| Seeded {
                at,
                id: special(&kind, at),
                owner: owner.clone(),
                is_revoked: at % 10 == 3,
            })
        });
        seeded.chain(managers).chain(victims).chain(lists)
    }

    fn list_owners(&self) -> Result<Vec<Owner>> {
        let find = |(name, _): (&str, usize)| {
            let rows = self.database.rows(&format!(
                "SELECT o.id, m.user_id, p.id FROM orgs o JOIN memberships m ON m.org_id = o.id JOIN profiles p ON p.org_id = o.id \
                 WHERE o.name = '{name}'"
            ))?;
            let [org, user, profile] =
                rows.into_iter().next().context("no organization")?.try_into().ok().context("three columns")?;
            Ok(Owner { org, user, profile })
        };
        LISTS.into_iter().map(find).collect()
    }

    /// Starts a Keyrack on this database.
    pub fn serve(&self, bench: &Bench) -> Result<Server> {
        let port = free_port()?;
        let mut command = self.command(bench);
        command.arg("serve").env("KEYRACK_LISTEN", format!("127.0.0.1:{port}"));
        // Both nodes of a pair read each other's sessions.
        command.env("KEYRACK_SESSION_KEY", "0123456789abcdef".repeat(8));
        Server::start(command, port, self.folder.join(format!("keyrack-{port}.log")), Duration::from_secs(300))
    }

    /// Signs in with the person of an organization and returns the cookie.
    pub fn sign_in(&self, server: &Server, organization: &str) -> Result<String> {
        let email = format!("{}%40bench.example", organization.to_lowercase());
        let form = format!("email={email}&password={PASSWORD}");
        let request = post("/sign-in", "Sec-Fetch-Site: same-origin", "application/x-www-form-urlencoded", &form);
        let answer = Client::connect(server.port)?.send(&request)?;
        match answer.header("set-cookie") {
            Some(cookie) if answer.status == 303 => {
                Ok(format!("Cookie: {}", cookie.split(';').next().unwrap_or_default()))
            }
            _ => bail!("signing in answered {}: {}", answer.status, answer.text()),
        }
    }

    /// The slug of one of the two organizations with pages.
    pub fn slug(&self, organization: &str) -> Result<String> {
        let rows = self.database.rows(&format!("SELECT slug FROM orgs WHERE name = '{organization}'"))?;
        rows.into_iter().flatten().next().context("no such organization")
    }

    /// `count` valid keys spread evenly over all.
    pub fn spread(&self, count: usize) -> Vec<String> {
        let step = (self.ids.len() / count).max(1);
        let valid = self.ids.iter().enumerate().filter(|(at, _)| at % REVOKED_EVERY != 7);
        let mut found: Vec<String> =
            valid.map(|(_, id)| *id).step_by(step).take(count).map(|id| keys::key(&id, 0).text).collect();
        shuffle(&mut found);
        found
    }

    /// Ids of `count` valid keys drawn at random, each as likely as the other.
    pub fn random(&self, count: usize, seed: u64) -> Vec<Id> {
        let mut numbers = Numbers(seed);
        let draws = std::iter::repeat_with(|| numbers.below(self.ids.len())).filter(|at| at % REVOKED_EVERY != 7);
        draws.take(count).map(|at| self.ids[at]).collect()
    }

    /// Keys that were revoked.
    pub fn revoked(&self, count: usize) -> Vec<String> {
        let revoked: Vec<&Id> = self.ids.iter().skip(7).step_by(REVOKED_EVERY).collect();
        let step = (revoked.len() / count).max(1);
        let mut found: Vec<String> =
            revoked.into_iter().step_by(step).take(count).map(|id| keys::key(id, 0).text).collect();
        shuffle(&mut found);
        found
    }

    /// Well-formed keys that never were.
    pub fn unknown(count: usize) -> Vec<String> {
        let mut numbers = Numbers(77);
        (0..count).map(|_| keys::key(&keys::unknown_id(&mut numbers), 5).text).collect()
    }

    /// A key of the owner of each organization: it may manage all keys there.
    pub fn managers() -> Vec<String> {
        (0..ORGS).map(|at| keys::key(&special("mng", at), 0).text).collect()
    }

    /// Keys of the first organization that are there to be revoked, with their ids.
    pub fn victims(count: usize) -> Vec<(String, String)> {
        let one = |id: Id| (String::from_utf8_lossy(&id).into_owned(), keys::key(&id, 0).text);
        (0..count.min(VICTIMS)).map(|at| one(special("rvk", at))).collect()
    }
}

fn shuffle(keys: &mut [String]) {
    let mut numbers = Numbers(99);
    for at in (1..keys.len()).rev() {
        keys.swap(at, numbers.below(at + 1));
    }
}

fn org(at: usize) -> String {
    format!("org_bench{at:04}")
}

fn user(at: usize, member: usize) -> String {
    format!("usr_bench{at:04}x{member:02}")
}

/// When the key at this place was made: hours to months ago.
fn age(now: i64, at: usize) -> i64 {
    now - 7_200_000_000 - (at as i64 % 25_000_000) * 1_000_000
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn people(now: i64) -> Vec<Table<'static>> {
    let then = move || Cell::Number(age(now, 0));
    let people = || (0..ORGS).flat_map(|at| (0..MEMBERS).map(move |member| (at, member)));
    let role = |member: usize| ["owner", "admin", "builder"][member.min(2)];
    vec![
        Table {
            name: "orgs",
            columns: &["id", "slug", "name", "plan", "created_at"],
            rows: Box::new((0..ORGS).map(move |at| {
                vec![text(org(at)), text(format!("bench-{at}")), text(format!("Bench {at}")), text("bench"), then()]
            })),
        },
        Table {
            name: "users",
            columns: &["id", "email", "name", "password_hash", "created_at"],
            rows: Box::new(people().map(move |(at, member)| {
                let email = format!("member{member}@org{at}.example");
                vec![text(user(at, member)), text(email), text(format!("Member {member} of {at}")), text("!"), then()]
            })),
        },
        Table {
            name: "memberships",
            columns: &["org_id", "user_id", "role", "joined_at"],
            rows: Box::new(
                people()
                    .map(move |(at, member)| vec![text(org(at)), text(user(at, member)), text(role(member)), then()]),
            ),
        },
        Table {
            name: "profiles",
            columns: &["id", "org_id", "name", "created_at"],
            rows: Box::new(
                (0..ORGS)
                    .map(move |at| vec![text(format!("prof_bench{at:04}")), text(org(at)), text("Default"), then()]),
            ),
        },
    ]
}

fn keys_table<'a>(keys: Box<dyn Iterator<Item = Seeded> + 'a>, now: i64) -> Table<'a> {
    let row = move |Seeded { at, id, owner, is_revoked }| {
        let id = String::from_utf8_lossy(&id).into_owned();
        let made = age(now, at);
        let used = if at % 2 == 0 { Cell::Number(made + 3_000_000_000) } else { Cell::Null };
        let revoked = if is_revoked { Cell::Number(made + 3_600_000_000) } else { Cell::Null };
        // Most names are short; some are not, or are written with letters of several bytes.
        let name = if at % 8 == 7 { format!("Warehouse of the north {id}") } else { format!("Deploy {id}") };
        let mut row = vec![text(id), text(owner.org), text(owner.profile), text(owner.user), text(name), text("live")];
        row.extend([Cell::Number(made), used, text("203.0.113.7"), text("curl/8"), revoked]);
        row
    };
    let columns = &[
        "id",
        "org_id",
        "profile_id",
        "owner_id",
        "name",
        "environment",
        "created_at",
        "last_used_at",
        "last_used_address",
        "last_used_client",
        "revoked_at",
    ];
    Table { name: "api_keys", columns, rows: Box::new(keys.map(row)) }
}

fn secrets_table<'a>(keys: Box<dyn Iterator<Item = Seeded> + 'a>, now: i64) -> Table<'a> {
    let row = move |seeded: Seeded| {
        let key = keys::key(&seeded.id, 0);
        let id = String::from_utf8_lossy(&seeded.id).into_owned();
        let made = Cell::Number(age(now, seeded.at));
        vec![text(format!("sec_{id}")), text(id), text(key.hash), text(key.last4), made]
    };
    let columns = &["id", "key_id", "hash", "last4", "created_at"];
    Table { name: "key_secrets", columns, rows: Box::new(keys.map(row)) }
}
