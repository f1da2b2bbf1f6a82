//! Caddy with `examples/caddy/Caddyfile`.

use std::process::Command;

use super::place::{Ground, Proxy, example};
use super::{World, proxy_tests};

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

proxy_tests!(start, []);
