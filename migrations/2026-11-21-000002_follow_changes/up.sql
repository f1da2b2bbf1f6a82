-- How the processes that check keys from memory learn of changes: docs/revocation.md.

-- One row. A transaction that changes what the check knows raises it last and so holds its lock until it commits: such
-- transactions commit in the order of their numbers.
CREATE TABLE gate_clock (
    id BIGINT PRIMARY KEY NOT NULL,
    seq BIGINT NOT NULL
);
INSERT INTO gate_clock (id, seq) VALUES (1, 0);

-- What was changed, in that order. Names the thing, not its new state: who follows reads that anew.
CREATE TABLE gate_changes (
    seq BIGINT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('key', 'org', 'member', 'user', 'profile', 'service_tokens', 'everything')),
    object TEXT NOT NULL
);

-- The processes that may hold a lease: how far each has followed, and how often it renewed.
CREATE TABLE gate_nodes (
    id TEXT PRIMARY KEY NOT NULL,
    applied BIGINT NOT NULL,
    renewals BIGINT NOT NULL
);

-- Whether a person has a live key of a name is asked whenever they make one.
CREATE INDEX api_keys_by_name ON api_keys (owner_id, name);
