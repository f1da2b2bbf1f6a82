//! What only a browser can show: driven for real, in Chromium.

mod access;
mod axe;
mod control;
mod device;
mod driver;
mod keyboard;
mod keys;
mod leaks;
mod logs;
mod no_script;
mod notifications;
mod plans;
mod screenshots;
mod site;
mod tour;
