//! What only a browser can show: driven for real, in Chromium.

mod axe;
mod control;
mod driver;
