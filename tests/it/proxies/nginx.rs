//! nginx with `examples/nginx/keyrack.conf`.

use std::process::Command;

use super::World;
use super::place::{Ground, Proxy, example};

fn start(world: &World, keyrack: &str) -> Proxy {
    Proxy::start("nginx", |ground: &Ground<'_>| {
        let folder = ground.folder.to_str().unwrap();
        let site = example(
            "nginx/keyrack.conf",
            &[
                ("listen 8000;", &format!("listen 127.0.0.1:{};", ground.port)),
                ("server 127.0.0.1:8080;", &format!("server {keyrack};")),
                ("server 127.0.0.1:3000;", &format!("server {};", world.api.address)),
                ("/var/log/nginx", folder),
            ],
        );
        std::fs::write(ground.folder.join("site.conf"), site).unwrap();
        let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};"));
        let main = format!(
            "user root;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log warn;\nevents {{}}\n\
             http {{ {} include {folder}/site.conf; }}\n",
            temp.join(" ")
        );
        std::fs::write(ground.folder.join("nginx.conf"), main).unwrap();
        // Debian keeps it where only root looks.
        let program = if std::path::Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        command.args(["-p", folder, "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]);
        command
    })
}

#[actix_web::test]
async fn keys_decide_who_passes_nginx() {
    let world = World::new(None);
    let proxy = start(&world, &world.keyrack);
    super::keys_decide(&world, &proxy);
    super::requirements_hold(&world, &proxy);
    super::identities_cannot_be_forged(&world, &proxy);
}

#[actix_web::test]
async fn nginx_keeps_keys_in_urls_out_of_its_logs() {
    let world = World::new(None);
    super::keys_in_urls_stay_out_of_logs(&world, &start(&world, &world.keyrack));
}

#[actix_web::test]
async fn without_keyrack_nginx_lets_nobody_in() {
    let world = World::new(None);
    super::without_keyrack_all_is_closed(&world, &start(&world, "127.0.0.1:1"));
}

#[actix_web::test]
async fn nginx_tells_a_limit_as_a_true_429() {
    let world = World::new(Some(3));
    super::a_limit_is_a_true_429(&world, &start(&world, &world.keyrack), &["\"account\";q=3;w=60"]);
}
