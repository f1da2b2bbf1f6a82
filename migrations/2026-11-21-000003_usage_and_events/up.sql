-- What was checked: counts that are exact, and rows that are kept for a while. Nothing here is ever asked by a check, so
-- no row refers to another table: counting must not fail, wait or hold anything up.

-- `at` is the start of the minute or the hour; `secret` is the first 8 bytes of the secret's hash as a number; `outcome` is
-- the verdict's code, or STATUS_2XX to STATUS_5XX for what upstreams reported of requests that were let in.
CREATE TABLE usage_minutes (
    org_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    secret BIGINT NOT NULL,
    at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (key_id, at, secret, outcome)
);
CREATE INDEX usage_minutes_by_org ON usage_minutes (org_id, at);
CREATE INDEX usage_minutes_by_age ON usage_minutes (at);

CREATE TABLE usage_hours (
    org_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    secret BIGINT NOT NULL,
    at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (key_id, at, secret, outcome)
);
CREATE INDEX usage_hours_by_org ON usage_hours (org_id, at);
CREATE INDEX usage_hours_by_age ON usage_hours (at);

-- Counts of a busy half second, many in one row, until there is time to add them to the two tables above. Each part
-- holds counts of keys that lie side by side, so that the rows of a part can be added up together.
CREATE TABLE usage_backlog (
    seq BIGINT PRIMARY KEY NOT NULL,
    part BIGINT NOT NULL,
    entries TEXT NOT NULL
);
CREATE INDEX usage_backlog_by_part ON usage_backlog (part, seq);

-- One row. A transaction that adds events raises it first and so holds it until it commits: whoever can see a number can
-- see all smaller ones, and a stream that resumes after a number misses nothing.
CREATE TABLE event_counter (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    seq BIGINT NOT NULL
);
INSERT INTO event_counter (id, seq) VALUES (1, 0);

-- `weight` is how many checks of the organization the row stands for; the weights of all rows add up to all checks.
-- `status` is what the gate answered to a refused request, or what the upstream reported of one that was let in;
-- `reported_seq` is the number, from the same counter, under which that report was noted.
CREATE TABLE events (
    seq BIGINT PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL,
    org_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    secret BIGINT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status BIGINT,
    duration_ms BIGINT,
    address TEXT NOT NULL,
    client TEXT NOT NULL,
    request_id TEXT NOT NULL,
    weight BIGINT NOT NULL,
    reported_seq BIGINT
);
CREATE INDEX events_by_org ON events (org_id, seq);
CREATE INDEX events_by_key ON events (key_id, seq);
CREATE INDEX events_by_request ON events (request_id);
CREATE INDEX events_by_age ON events (at);
CREATE INDEX events_by_report ON events (org_id, reported_seq) WHERE reported_seq IS NOT NULL;
