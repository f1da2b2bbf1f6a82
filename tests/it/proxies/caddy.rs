//! Caddy with `examples/caddy/Caddyfile`.

use std::process::Command;

use super::World;
use super::place::{Ground, Proxy, example};

fn start(world: &World, keyrack: &str) -> Proxy {
    Proxy::start("caddy", |ground: &Ground<'_>| {
        let site = example(
            "caddy/Caddyfile",
            &[
                (":8000 {", &format!(":{} {{", ground.port)),
                ("127.0.0.1:8080", keyrack),
                ("127.0.0.1:3000", &world.api.address),
                ("/var/log/caddy", ground.folder.to_str().unwrap()),
                // Its control port is another Caddy's.
                ("{\n\t# Options for all sites.\n", "{\n\tadmin off\n"),
            ],
        );
        std::fs::write(ground.folder.join("Caddyfile"), site).unwrap();
        let mut command = Command::new("caddy");
        command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]).env_remove("XDG_CONFIG_HOME");
        command.env_remove("XDG_DATA_HOME");
        command
    })
}

#[actix_web::test]
async fn keys_decide_who_passes_caddy() {
    let world = World::new(None);
    let proxy = start(&world, &world.keyrack);
    super::keys_decide(&world, &proxy);
    super::requirements_hold(&world, &proxy);
    super::identities_cannot_be_forged(&world, &proxy);
}

#[actix_web::test]
async fn caddy_keeps_keys_in_urls_out_of_its_logs() {
    let world = World::new(None);
    super::keys_in_urls_stay_out_of_logs(&world, &start(&world, &world.keyrack));
}

#[actix_web::test]
async fn without_keyrack_caddy_lets_nobody_in() {
    let world = World::new(None);
    super::without_keyrack_all_is_closed(&world, &start(&world, "127.0.0.1:1"));
}

#[actix_web::test]
async fn caddy_tells_a_limit_as_a_true_429() {
    let world = World::new(Some(3));
    super::a_limit_is_a_true_429(&world, &start(&world, &world.keyrack), &[]);
}
