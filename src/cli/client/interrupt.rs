//! Ctrl-C: the cursor comes back, the line ends, and the process exits with 130 as shells expect.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// 128 and the number of the signal.
const INTERRUPTED: i32 = 130;

/// From now on Ctrl-C ends the process cleanly.
pub(super) fn listen() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without it the signal still ends the process, only less tidily.
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            let mut stderr = std::io::stderr();
            if stderr.is_terminal() {
                // A prompt or a spinner may have hidden the cursor.
                let _ = stderr.write_all(b"\x1b[?25h\n");
            }
            std::process::exit(INTERRUPTED);
        }
    });
}

/// What was interrupted leaves the end of the process to the thread that listens, and ends it itself if that one is not there.
pub(super) fn wait_for_the_end() -> ! {
    std::thread::park_timeout(Duration::from_millis(500));
    std::process::exit(INTERRUPTED)
}
