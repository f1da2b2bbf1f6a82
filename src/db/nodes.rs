//! The processes that check keys, their leases, and how they are woken. See docs/revocation.md.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::conn::{on_each, prepared};
use super::schema::gate_nodes;
use super::{Conn, DbResult};

/// A process that may hold a lease.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Node {
    /// Random, of this run of the process.
    pub id: String,
    /// The number of the newest change that it has applied.
    pub applied: i64,
    /// How often it renewed its lease; while this stands still, no lease was given.
    pub renewals: i64,
}

#[derive(QueryableByName)]
struct Channel {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Seq {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// Wakes the followers of all nodes when this transaction commits. SQLite's look at the file instead.
pub fn wake_followers(conn: &mut Conn) -> DbResult<()> {
    if let Conn::Postgres(pg) = conn {
        // The channel's name holds the schema's: one database may serve several installations.
        diesel::sql_query("SELECT pg_notify('keyrack_' || current_schema(), '')").execute(pg)?;
    }
    Ok(())
}

/// Makes a connection the one that a follower waits on: PostgreSQL tells it of every change from now on.
pub fn listen(conn: &mut Conn) -> DbResult<()> {
    let Conn::Postgres(pg) = conn else { return Ok(()) };
    let channel: Channel = diesel::sql_query("SELECT 'keyrack_' || current_schema() AS name").get_result(pg)?;
    let name = channel.name.replace('"', "\"\"");
    // A database set to read-only by default still lets its checkers prove that they live.
    pg.batch_execute(&format!("SET default_transaction_read_only = off; LISTEN \"{name}\""))
}

/// Whether anything may have changed since the last call: a notification on PostgreSQL, the file's version on SQLite,
/// of which `version` keeps the last.
pub fn has_news(conn: &mut Conn, version: &mut i64) -> DbResult<bool> {
    match conn {
        Conn::Postgres(pg) => {
            let mut news = false;
            for notification in pg.notifications_iter() {
                notification?;
                news = true;
            }
            Ok(news)
        }
        Conn::Sqlite(sqlite) => {
            // Asked fifty times a second: prepared anew, it would take a hundredth of a core.
            let now: i64 = prepared!(diesel::dsl::sql::<BigInt>("PRAGMA data_version")).get_result(sqlite)?;
            Ok(std::mem::replace(version, now) != now)
        }
    }
}

/// Renews the lease of a node, or registers it. Gives the number of the newest change that was committed before: the
/// lease holds once that is applied. In PostgreSQL no change can commit while this runs, so each change either finds
/// the lease in the table or is counted in the number. Not for SQLite, where nothing is leased.
pub fn renew_lease(conn: &mut Conn, id: &str, applied: i64) -> DbResult<i64> {
    let Conn::Postgres(pg) = conn else { return super::changes::read_clock(conn) };
    // One statement: were this process stopped in the middle of several, nobody could change anything meanwhile.
    let renew = diesel::sql_query(
        "WITH clock AS (SELECT seq FROM gate_clock WHERE id = 1 FOR SHARE), \
         renewed AS (INSERT INTO gate_nodes (id, applied, renewals) VALUES ($1, $2, 1) \
         ON CONFLICT (id) DO UPDATE SET renewals = gate_nodes.renewals + 1, applied = excluded.applied) \
         SELECT seq FROM clock",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(applied);
    let row: Seq = prepared!(renew).get_result(pg)?;
    Ok(row.seq)
}

/// Puts a node on the list without a lease, as the only one: on SQLite, where one server runs, so that commands of other
/// processes know whose word to wait for.
pub fn insert_only_node(conn: &mut Conn, id: &str, applied: i64) -> DbResult<()> {
    diesel::delete(gate_nodes::table).execute(conn)?;
    diesel::insert_into(gate_nodes::table)
        .values((gate_nodes::id.eq(id), gate_nodes::applied.eq(applied), gate_nodes::renewals.eq(1)))
        .execute(conn)
        .map(|_| ())
}

/// Asks the server on SQLite to say how far it is, which on PostgreSQL all do by themselves.
pub fn ask_applied(conn: &mut Conn) -> DbResult<()> {
    if conn.is_sqlite() {
        diesel::update(gate_nodes::table).set(gate_nodes::renewals.eq(0)).execute(conn)?;
    }
    Ok(())
}

/// All nodes.
pub fn list_nodes(conn: &mut Conn) -> DbResult<Vec<Node>> {
    on_each!(conn, conn => prepared!(gate_nodes::table.order(gate_nodes::id)).load(conn))
}

/// Acknowledges that a node has applied all changes up to `applied`, and wakes whoever waits for that.
pub fn mark_applied(conn: &mut Conn, id: &str, applied: i64) -> DbResult<()> {
    super::write(conn, |conn| {
        if let Conn::Postgres(pg) = conn {
            // What a crash undoes is a delay for whoever waits, and no more.
            pg.batch_execute("SET LOCAL synchronous_commit = off")?;
        }
        let place = gate_nodes::table.find(id);
        if conn.is_sqlite() {
            let answer = (gate_nodes::applied.eq(applied), gate_nodes::renewals.eq(1));
            diesel::update(place).set(answer).execute(conn)?;
        } else {
            let answer = diesel::update(place).set(gate_nodes::applied.eq(applied)).returning(gate_nodes::id);
            let _: Vec<String> = on_each!(conn, conn => prepared!(answer).load(conn))?;
        }
        wake_followers(conn)
    })
}

/// Takes a node off the list if it has not renewed since `renewals` were counted.
pub fn delete_node(conn: &mut Conn, id: &str, renewals: i64) -> DbResult<usize> {
    diesel::delete(gate_nodes::table.find(id).filter(gate_nodes::renewals.eq(renewals))).execute(conn)
}

/// Takes this node off the list, when it has stopped checking.
pub fn delete_own_node(conn: &mut Conn, id: &str) -> DbResult<usize> {
    diesel::delete(gate_nodes::table.find(id)).execute(conn)
}
