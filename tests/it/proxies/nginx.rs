//! nginx with `examples/nginx/keyrack.conf`.

use std::process::Command;

use super::place::{Ground, Proxy, example};
use super::{World, proxy_tests};

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

proxy_tests!(start, ["\"account\";q=3;w=60"]);
