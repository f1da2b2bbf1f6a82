//! Pages of a signed-in person.

use anyhow::{Result, bail};

use super::asking;
use crate::Bench;
use crate::database::Kind;
use crate::http::{Client, get};
use crate::options::human;
use crate::rounds::{self, Target};
use crate::seed::World;
use crate::wrk::write_requests;

pub fn run(bench: &mut Bench, kind: Kind) -> Result<()> {
    let size = bench.options.usual_size();
    let world = World::build(bench, kind, size)?;
    let server = world.serve(bench)?;
    let work = bench.options.work.clone();
    let mut asked = Vec::new();
    for organization in ["Bench", "Large"] {
        let cookie = world.sign_in(&server, organization)?;
        let request = get(&format!("/orgs/{}/settings/api-keys", world.slug(organization)?), &cookie);
        let answer = Client::connect(server.port)?.send(&request)?;
        if answer.status != 200 {
            bail!("the keys page answers {}", answer.status);
        }
        asked.push((write_requests(&work, &format!("page-{organization}"), &[request])?, answer.body));
    }
    let bare = bench.bare(&asked[0].1)?;
    let same = write_requests(&work, "page-bare", &[get("/page", "Accept: text/html")])?;
    let kb = |at: usize| asked[at].1.len() as f64 / 1000.0;
    let keys_page = Target::new(format!("keys page, 18 keys, {:.1} KB", kb(0)), &server, asked[0].0.clone());
    let targets = vec![
        Target::new("hello", &bare, asking(bench, "hello", "/hello", &World::unknown(1_000))?),
        Target::new("the same page, bare, from memory", &bare, same),
        if kind == Kind::Sqlite { keys_page.must(0.06, 0.10) } else { keys_page },
        Target::new(format!("first page of 10 000 keys, {:.1} KB", kb(1)), &server, asked[1].0.clone()),
    ];
    rounds::run(bench, &format!("Pages, {}, {} keys", kind.name(), human(size)), targets)
}
