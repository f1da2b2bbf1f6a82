//! What upstreams reported. The event that a report is about may not be written yet, here or on another node, so reports
//! wait for some seconds; what is about nothing that was stored goes away again.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use super::{RecordError, lock};
use crate::clock::Moment;
use crate::db::reports::{Report, list_known_requests, report_outcomes};
use crate::db::{self, Db};
use crate::domain::verdict::Verdict;

/// Reports that wait at most: some 10 MB.
const REPORTS_MAX: usize = 50_000;
/// How long a report waits for its event.
const WAITS: Duration = Duration::from_secs(5);
/// Reports per transaction at most.
const AT_ONCE: usize = 1000;

struct Held {
    report: Report,
    since: Moment,
    /// Whether its event was looked for in vain.
    was_tried: bool,
}

/// Reports whose event was not found yet.
#[derive(Default)]
pub(super) struct Reports {
    /// The oldest first.
    held: VecDeque<Held>,
    /// Those that were given up, since the start.
    in_vain: u64,
}

impl Reports {
    /// Takes in what there is room for. Those that were tried before make room first: most likely nothing was stored that
    /// they are about. Returns how many were taken.
    pub(super) fn add(&mut self, reports: Vec<Report>) -> usize {
        let (since, given) = (Moment::now(), reports.len());
        for (taken, report) in reports.into_iter().enumerate() {
            if self.held.len() >= REPORTS_MAX {
                if !self.held.front().is_some_and(|oldest| oldest.was_tried) {
                    return taken;
                }
                self.held.pop_front();
                self.in_vain += 1;
            }
            self.held.push_back(Held { report, since, was_tried: false });
        }
        given
    }

    fn put_back(&mut self, left: Vec<Held>, in_vain: u64) {
        self.in_vain += in_vain;
        for held in left.into_iter().rev() {
            self.held.push_front(held);
        }
    }

    /// How many wait, and how many were given up.
    pub(super) fn depth(&self) -> (usize, u64) {
        (self.held.len(), self.in_vain)
    }
}

/// Writes those whose event is there.
pub(super) fn write(db: &Db, reports: &Mutex<Reports>) -> Result<(), RecordError> {
    let mut waiting: Vec<Held> = lock(reports).held.drain(..).collect();
    let (mut left, mut in_vain, mut result) = (Vec::new(), 0, Ok(()));
    while !waiting.is_empty() {
        let mut some: Vec<Held> = waiting.drain(..waiting.len().min(AT_ONCE)).collect();
        match write_some(db, &some) {
            Ok(found) => {
                some.retain(|held| !found.contains(&held.report.request_id));
                let looked_for = some.len();
                some.retain(|held| held.since.elapsed() < WAITS);
                in_vain += (looked_for - some.len()) as u64;
            }
            Err(error) => {
                some.append(&mut waiting);
                result = Err(error);
            }
        }
        left.extend(some.into_iter().map(|held| Held { was_tried: true, ..held }));
    }
    lock(reports).put_back(left, in_vain);
    result
}

/// Returns the requests that are stored: their reports are noted, or were before.
fn write_some(db: &Db, some: &[Held]) -> Result<HashSet<String>, RecordError> {
    let ids: Vec<&str> = some.iter().map(|held| held.report.request_id.as_str()).collect();
    db.run(|conn| {
        // Looked for without a transaction: reports that wait in vain must not hold the counter every half second.
        let found: HashSet<String> = list_known_requests(conn, &ids)?.into_iter().collect();
        let reports = some.iter().map(|held| &held.report);
        let reports: Vec<Report> = reports.filter(|report| found.contains(&report.request_id)).cloned().collect();
        if !reports.is_empty() {
            db::write(conn, |conn| {
                db::events::bound_waiting(conn)?;
                report_outcomes(conn, Verdict::Valid.code(), &reports)
            })?;
        }
        Ok(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(count: usize) -> Vec<Report> {
        let report = |n| Report { request_id: format!("r{n}"), status: 200, duration_ms: None };
        (0..count).map(report).collect()
    }

    #[test]
    fn only_those_that_were_tried_make_room() {
        let mut held = Reports::default();
        assert_eq!(held.add(reports(REPORTS_MAX - 1)), REPORTS_MAX - 1);
        assert_eq!(held.add(reports(3)), 1);
        held.held[0].was_tried = true;
        held.held[1].was_tried = true;
        assert_eq!(held.add(reports(3)), 2);
        assert_eq!(held.depth(), (REPORTS_MAX, 2));
    }
}
