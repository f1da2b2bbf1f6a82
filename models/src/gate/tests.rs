//! What is tried: the protocol as it is, in many orders, and what must not pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a run is like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    /// One process and no lease, as on SQLite.
    pub(super) is_alone: bool,
    /// Nodes lose their database now and then.
    pub(super) cuts: bool,
    /// Faults outside of the protocol's file: in a check, in a deed, and of those that fill a memory from look-ups.
    pub(super) looks_up_first: bool,
    pub(super) does_not_wait: bool,
    pub(super) fills_from_look_ups: bool,
}

/// What the checks of all runs met: a model in which nothing happens finds nothing.
#[derive(Default)]
pub(super) struct Seen {
    answered: AtomicUsize,
    after_a_deed: AtomicUsize,
}

impl Seen {
    pub(super) fn count(&self, returned: i64) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.after_a_deed.fetch_add(usize::from(returned > 0), Ordering::Relaxed);
    }
}

#[track_caller]
pub(super) fn fault(words: &'static str) -> ! {
    std::panic::panic_any(words)
}

type Run = fn(Plan, &Arc<Seen>);

/// The first fault that is found: at random, and by making threads wait for long (PCT).
fn first_fault(run: Run, plan: Plan, seen: &Arc<Seen>, runs: usize) -> Option<String> {
    let try_all = || {
        let (here, there) = (seen.clone(), seen.clone());
        shuttle::check_random(move || run(plan, &here), runs);
        shuttle::check_pct(move || run(plan, &there), runs, 4);
    };
    let fault = catch_unwind(AssertUnwindSafe(try_all)).err()?;
    let words = fault.downcast_ref::<&'static str>().map(|words| (*words).to_owned());
    Some(words.or_else(|| fault.downcast_ref::<String>().cloned()).unwrap_or_default())
}

const RUNS: usize = 1500;

fn assert_holds(plan: Plan) {
    let seen = Arc::new(Seen::default());
    assert_eq!(first_fault(super::as_it_is::world::run, plan, &seen, RUNS), None);
    let (answered, after) = (seen.answered.load(Ordering::Relaxed), seen.after_a_deed.load(Ordering::Relaxed));
    assert!(answered > 2 * RUNS && after > RUNS, "{answered} checks were answered, {after} of them after a deed");
}

/// Looks for long: some need an order of threads that one run in a few thousand has, and who finds it ends.
#[track_caller]
fn assert_caught(run: Run, plan: Plan, words: &str) {
    let fault = (0..50).find_map(|_| first_fault(run, plan, &Arc::default(), RUNS));
    assert!(fault.as_ref().is_some_and(|fault| fault.contains(words)), "{fault:?}");
}

const LATE: &str = "a check knew less than a deed that had returned";

#[test]
fn no_check_on_two_nodes_knows_less_than_a_deed_that_has_returned() {
    assert_holds(Plan::default());
}

#[test]
fn nor_when_nodes_lose_their_database_and_find_it_again() {
    assert_holds(Plan { cuts: true, ..Plan::default() });
}

#[test]
fn nor_does_one_of_a_single_process_without_a_lease() {
    assert_holds(Plan { is_alone: true, ..Plan::default() });
    assert_holds(Plan { is_alone: true, cuts: true, ..Plan::default() });
}

#[test]
fn an_acknowledgement_before_the_application_is_caught() {
    let run = super::acknowledges_before_it_has_applied::world::run;
    assert_caught(run, Plan::default(), "acknowledged what was not applied");
    assert_caught(super::says_it_is_further_than_it_is::world::run, Plan::default(), LATE);
}

#[test]
fn a_lease_counted_from_after_its_renewal_is_caught() {
    assert_caught(super::counts_the_lease_from_after_the_renewal::world::run, Plan::default(), "");
}

#[test]
fn a_lease_used_before_all_is_applied_is_caught() {
    assert_caught(super::uses_the_lease_before_it_has_applied::world::run, Plan::default(), LATE);
}

#[test]
fn a_list_that_is_shortened_too_early_or_read_too_early_is_caught() {
    assert_caught(super::takes_others_off_the_list_too_early::world::run, Plan::default(), LATE);
    assert_caught(super::reads_the_list_before_the_log::world::run, Plan::default(), LATE);
}

#[test]
fn a_start_that_takes_its_number_afterwards_is_caught() {
    assert_caught(super::numbers_what_it_has_read_afterwards::world::run, Plan::default(), "");
}

#[test]
fn faults_around_the_protocol_are_caught() {
    let run = super::as_it_is::world::run;
    assert_caught(run, Plan { looks_up_first: true, ..Plan::default() }, LATE);
    assert_caught(run, Plan { does_not_wait: true, ..Plan::default() }, LATE);
    assert_caught(run, Plan { fills_from_look_ups: true, ..Plan::default() }, "");
}
