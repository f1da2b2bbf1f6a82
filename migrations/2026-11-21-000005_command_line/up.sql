-- Signing in on the command line (RFC 8628). A code waits here until its person allows or denies it, and is used once.
CREATE TABLE device_codes (
    id TEXT PRIMARY KEY NOT NULL,
    -- SHA-256 of what only the device knows.
    code_hash TEXT NOT NULL UNIQUE,
    -- What its person reads and types: short, known to both, and of no use without signing in.
    user_code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    client TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- Seconds that the device must leave between two polls.
    poll_seconds BIGINT NOT NULL,
    polled_at BIGINT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'allowed', 'denied', 'used')),
    user_id TEXT REFERENCES users (id),
    org_id TEXT REFERENCES orgs (id)
);
CREATE INDEX device_codes_by_age ON device_codes (expires_at);

-- Signed-in command lines: each acts as its person, in all their organizations.
CREATE TABLE cli_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    -- The organization that requests are about when they name none.
    org_id TEXT NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    client TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_used_address TEXT NOT NULL DEFAULT '',
    ended_at BIGINT
);
CREATE INDEX cli_tokens_by_user ON cli_tokens (user_id);
CREATE INDEX cli_tokens_by_age ON cli_tokens (expires_at);
