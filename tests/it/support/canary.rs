//! Every secret that a test comes to know is looked for, when the test ends, in all that the server wrote: its log, its
//! database, the database's files.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, Once};

use base64_of::encode;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct LogBuffer;

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Catches all that is logged in this process, at every level.
pub(crate) fn catch_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            // All but the driver's side of the browser tests, which is not the server's.
            .with_env_filter("trace,thirtyfour=off,hyper=off,hyper_util=off,reqwest=off")
            .with_ansi(false)
            .with_writer(|| LogBuffer)
            .finish();
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

/// All that was logged in this process so far.
pub(crate) fn logged() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

/// Every full key that stands in a text (prefix, eight characters of id, `_`, 24 of secret), and every token and code of
/// a command line.
pub(crate) fn keys_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let keys = words.filter(|word| {
        let mut parts = word.rsplit('_');
        let (secret, id, prefix) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next());
        secret.len() == 24 && (matches!(id, "krc" | "krd") || (id.len() == 8 && prefix.is_some()))
    });
    keys.map(str::to_owned).collect()
}

/// The forms in which a secret would give itself away: as it is, its secret part alone, and in base64.
pub(crate) fn forms_of(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), encode(secret)];
    if !keys_in(secret).is_empty() {
        let part = &secret[secret.len() - 24..];
        forms.extend([part.to_owned(), encode(part)]);
    }
    forms
}

/// The files below a folder that hold one of these, with what they hold.
pub(crate) fn files_with(folder: &Path, needles: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, needles));
            continue;
        }
        // What is no text cannot be part of a needle; searching text is much faster here than searching bytes.
        let bytes = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let held = needles.iter().filter(|needle| text.contains(needle.as_str()));
        found.extend(held.map(|needle| format!("{} holds {needle}", path.display())));
    }
    found
}

/// Base64 without a crate: the tests need only this direction.
mod base64_of {
    pub(super) fn encode(text: &str) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        // The last, incomplete group would differ with what follows it.
        for group in text.as_bytes().chunks_exact(3) {
            let number = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
            for shift in [18, 12, 6, 0] {
                out.push(char::from(DIGITS[(number >> shift & 63) as usize]));
            }
        }
        out
    }
}

#[test]
fn a_canary_is_recognised_in_its_forms() {
    let key = "kr_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG";
    assert_eq!(keys_in(&format!("<input value=\"{key}\"> kr_BRTRK••••")), [key]);
    assert_eq!(keys_in(&format!("\"krc_{}\"", &key[12..])).len(), 1);
    assert_eq!(keys_in(&format!("rk_live_{}", &key[3..])).len(), 1);
    assert_eq!(encode("Man"), "TWFu");
    assert_eq!(forms_of(key).len(), 4);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), format!("abc{}def", forms_of(key)[2])).unwrap();
    assert_eq!(files_with(folder.path(), &forms_of(key)).len(), 1);
}
