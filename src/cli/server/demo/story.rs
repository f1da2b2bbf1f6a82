//! What happened in the ninety days before the demonstration began, as tables.

/// Minutes before now.
pub(super) type Ago = i64;

pub(super) const HOUR: Ago = 60;
pub(super) const DAY: Ago = 24 * HOUR;

/// How a key came to an end, or not.
pub(super) enum Fate {
    /// Nothing happened to it.
    Stays,
    /// It was rotated then, with this grace.
    Rotated(Ago, &'static str),
    /// It was revoked then, by whom and why.
    Revoked(Ago, &'static str, &'static str),
}

/// One key.
pub(super) struct Key {
    pub(super) org: &'static str,
    pub(super) who: &'static str,
    pub(super) name: &'static str,
    pub(super) profile: &'static str,
    pub(super) environment: &'static str,
    pub(super) made: Ago,
    /// As typed; empty for the default.
    pub(super) expires: &'static str,
    pub(super) note: &'static str,
    /// When it was used, the oldest first.
    pub(super) used: &'static [Ago],
    pub(super) fate: Fate,
}

const fn key(
    (org, who): (&'static str, &'static str),
    name: &'static str,
    (profile, environment): (&'static str, &'static str),
    made: Ago,
    used: &'static [Ago],
    fate: Fate,
) -> Key {
    Key { org, who, name, profile, environment, made, expires: "", note: "", used, fate }
}

impl Key {
    const fn expires(mut self, text: &'static str) -> Self {
        self.expires = text;
        self
    }

    const fn note(mut self, text: &'static str) -> Self {
        self.note = text;
        self
    }
}

const OLIVE: (&str, &str) = ("acme", "olive");
const ADA: (&str, &str) = ("acme", "ada");
const BEN: (&str, &str) = ("acme", "ben");
const BEA: (&str, &str) = ("acme", "bea");
const GLOBEX: (&str, &str) = ("globex", "olive");
const GLOBEX_ADA: (&str, &str) = ("globex", "ada");

const WEB: (&str, &str) = ("Website", "live");
const WEB_TEST: (&str, &str) = ("Website", "test");
const BILLING: (&str, &str) = ("Billing", "live");
const BILLING_TEST: (&str, &str) = ("Billing", "test");
const MAIN: (&str, &str) = ("Default", "live");
const MAIN_TEST: (&str, &str) = ("Default", "test");

use Fate::{Revoked, Rotated, Stays};

/// All keys of the story.
pub(super) const KEYS: &[Key] = &[
    key(OLIVE, "Production backend", WEB, 88 * DAY, &[87 * DAY, 30 * DAY, 2 * HOUR, 3], Rotated(5 * HOUR, "24h"))
        .note("Behind the checkout; rotated every quarter"),
    key(OLIVE, "Nightly export", BILLING, 85 * DAY, &[84 * DAY, 12 * DAY, 9 * HOUR], Stays).note("Runs at 20:00 UTC"),
    key(OLIVE, "Board report", MAIN, 80 * DAY, &[], Stays),
    key(OLIVE, "Trial import", MAIN_TEST, 79 * DAY, &[78 * DAY], Revoked(60 * DAY, "olive", "Import is done")),
    key(OLIVE, "Data warehouse sync", BILLING, 50 * DAY, &[49 * DAY, DAY, HOUR], Stays),
    key(ADA, "CI/CD pipeline", WEB_TEST, 75 * DAY, &[74 * DAY, 20 * DAY, 4 * HOUR, 22], Stays).note("GitHub Actions"),
    key(ADA, "Staging server", WEB_TEST, 70 * DAY, &[69 * DAY, 2 * DAY, 5 * HOUR], Stays),
    key(ADA, "Terraform", MAIN, 66 * DAY, &[65 * DAY, 33 * DAY], Stays),
    key(ADA, "Pen test", MAIN_TEST, 64 * DAY, &[63 * DAY, 58 * DAY], Stays)
        .expires("14d")
        .note("Agreed until the 14th"),
    key(ADA, "Status page", WEB, 61 * DAY, &[60 * DAY, DAY, 12], Rotated(3 * DAY, "7d")),
    key(ADA, "Old status page", WEB, 77 * DAY, &[76 * DAY, 62 * DAY], Revoked(61 * DAY, "ada", "Replaced")),
    key(ADA, "Invoice worker", BILLING, 44 * DAY, &[43 * DAY, 6 * HOUR, 41], Stays),
    key(ADA, "Invoice worker (test)", BILLING_TEST, 44 * DAY - 5, &[43 * DAY, 16 * DAY], Stays),
    key(ADA, "Contractor", MAIN, 35 * DAY, &[34 * DAY, 30 * DAY], Revoked(28 * DAY, "olive", "Contract ended")),
    key(ADA, "Audit export", MAIN, 20 * DAY, &[], Stays).expires("90d"),
    key(BEN, "Laptop", MAIN_TEST, 58 * DAY, &[57 * DAY, 3 * DAY, 2 * HOUR], Stays),
    key(BEN, "Load test", WEB_TEST, 55 * DAY, &[54 * DAY], Stays).expires("7d"),
    key(BEN, "Mobile backend", WEB, 52 * DAY, &[51 * DAY, 8 * HOUR, 6], Stays),
    key(BEN, "Mobile backend (test)", WEB_TEST, 52 * DAY - 9, &[51 * DAY, 9 * DAY], Stays),
    key(BEN, "Search indexer", WEB, 48 * DAY, &[47 * DAY, DAY, 90], Rotated(20 * DAY, "1h")),
    key(BEN, "Demo for sales", MAIN_TEST, 40 * DAY, &[], Revoked(25 * DAY, "ben", "")),
    key(BEN, "Pasted in a ticket", MAIN, 31 * DAY, &[31 * DAY - HOUR], Revoked(30 * DAY, "ada", "Leaked in a ticket")),
    key(BEN, "Webhook relay", WEB, 26 * DAY, &[25 * DAY, 2 * DAY], Stays),
    key(BEN, "Hackathon", MAIN_TEST, 18 * DAY, &[17 * DAY], Stays).expires("3d"),
    key(BEN, "Cron on the old server", BILLING, 60 * DAY, &[59 * DAY, 45 * DAY], Stays),
    key(BEA, "Design previews", WEB_TEST, 42 * DAY, &[41 * DAY, 7 * HOUR], Stays),
    key(BEA, "Newsletter", MAIN, 38 * DAY, &[37 * DAY, 7 * DAY], Stays),
    key(BEA, "Spreadsheet", BILLING_TEST, 29 * DAY, &[], Stays),
    key(BEA, "Zapier", MAIN, 22 * DAY, &[21 * DAY, DAY, 3 * HOUR], Stays).expires("30d"),
    key(BEA, "Notebook", MAIN_TEST, 15 * DAY, &[14 * DAY], Revoked(10 * DAY, "bea", "No longer needed")),
    key(BEA, "Edge worker", WEB, 6 * DAY, &[5 * DAY, 25], Stays),
    key(BEA, "Try-out", MAIN_TEST, 2 * HOUR, &[], Stays),
    key(GLOBEX, "Storefront", MAIN, 40 * DAY, &[39 * DAY, 2 * HOUR], Stays),
    key(GLOBEX, "Warehouse scanner", MAIN, 39 * DAY, &[38 * DAY, 5 * DAY], Stays),
    key(GLOBEX, "Price feed", MAIN, 30 * DAY, &[29 * DAY, 50], Stays),
    key(GLOBEX_ADA, "Returns", MAIN_TEST, 21 * DAY, &[], Stays),
    key(GLOBEX_ADA, "Old scanner", MAIN, 37 * DAY, &[36 * DAY], Revoked(20 * DAY, "olive", "Scanner broke")),
    key(GLOBEX_ADA, "Analytics", MAIN, 12 * DAY, &[11 * DAY, 4 * HOUR], Stays),
];
