//! Puts `static/` into the binary: names with a hash of the content, and brotli and gzip made once, here.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

#[expect(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    for folder in ["static", "templates", "migrations"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files: Vec<PathBuf> =
        fs::read_dir("static")?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.sort();
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for file in files.iter().filter(|file| file.is_file()) {
        table.push_str(&embed(file, &out)?);
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Writes the three forms of a file and returns its row of the table.
fn embed(file: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    let name = file.file_name().and_then(|name| name.to_str()).ok_or("a file in static/ has an odd name")?;
    let raw = fs::read(file)?;
    let hash = Sha256::digest(&raw)[..6].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let (stem, extension) = name.rsplit_once('.').ok_or("a file in static/ has no extension")?;
    let mime = match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "md" | "txt" => "text/plain; charset=utf-8",
        other => return Err(format!("static/{name}: no media type is known for .{other}").into()),
    };
    for (form, bytes) in [("raw", raw.clone()), ("br", brotli(&raw)?), ("gz", gzip(&raw)?)] {
        fs::write(out.join(format!("{name}.{form}")), bytes)?;
    }
    let include = |form: &str| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.{form}\"))");
    Ok(format!(
        "    Asset {{ name: {name:?}, file: \"{stem}.{hash}.{extension}\", url: \"/static/{stem}.{hash}.{extension}\", etag: \"\\\"{hash}\\\"\", mime: {mime:?}, raw: {}, br: {}, gz: {} }},\n",
        include("raw"),
        include("br"),
        include("gz"),
    ))
}

fn brotli(raw: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &raw[..], &mut out, &params)?;
    Ok(out)
}

fn gzip(raw: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(raw)?;
    encoder.finish()
}
