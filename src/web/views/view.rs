//! How a view becomes a text.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What a handler sends: the whole page, or the fragment that htmx asked for.
pub trait View {
    /// The whole document.
    ///
    /// # Errors
    /// A template named a file that is not in `static/`: a fault in the program.
    fn page(&self) -> askama::Result<String>;

    /// The `panel` block alone.
    ///
    /// # Errors
    /// As [`View::page`].
    fn panel(&self) -> askama::Result<String>;
}

/// More than this is not set aside for a page beforehand.
const ROOM_MAX: usize = 128 * 1024;

/// Renders a page into as much room as the largest of its kind took so far: a text that has to grow is copied each time.
pub(crate) fn render_into_room(page: &impl askama::Template, largest: &AtomicUsize) -> askama::Result<String> {
    let mut html = String::with_capacity(largest.load(Ordering::Relaxed).min(ROOM_MAX));
    page.render_into(&mut html)?;
    largest.fetch_max(html.len(), Ordering::Relaxed);
    Ok(html)
}

/// Makes views of templates that have a `panel` block.
macro_rules! views {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::web::views::View for $name {
            fn page(&self) -> askama::Result<String> {
                static LARGEST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
                $crate::web::views::render_into_room(self, &LARGEST)
            }

            fn panel(&self) -> askama::Result<String> {
                askama::Template::render(&self.as_panel())
            }
        }
    )+};
}
pub(crate) use views;
