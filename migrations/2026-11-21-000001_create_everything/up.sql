-- One tree for SQLite and PostgreSQL: TEXT ids made by the program, BIGINT microseconds since the epoch,
-- hashes as lower-case hexadecimal TEXT, JSON as TEXT.

CREATE TABLE orgs (
    id TEXT PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Raised by the first statement of every write in the organization: that is the lock.
    lock_seq BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);

CREATE TABLE memberships (
    org_id TEXT NOT NULL REFERENCES orgs (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'builder')),
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE profiles (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    profile_id TEXT NOT NULL REFERENCES profiles (id),
    owner_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    environment TEXT NOT NULL,
    -- The most that the key may do, whoever owns it; empty means as much as its owner.
    role_max TEXT NOT NULL DEFAULT '' CHECK (role_max IN ('', 'owner', 'admin', 'builder')),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    paused_at BIGINT,
    revoked_at BIGINT,
    revoked_by TEXT REFERENCES users (id),
    revoke_reason TEXT NOT NULL DEFAULT '',
    last_used_at BIGINT,
    last_used_address TEXT NOT NULL DEFAULT '',
    last_used_client TEXT NOT NULL DEFAULT ''
);
CREATE INDEX api_keys_by_org ON api_keys (org_id, created_at);
CREATE INDEX api_keys_by_owner ON api_keys (owner_id);
CREATE INDEX api_keys_not_revoked ON api_keys (org_id) WHERE revoked_at IS NULL;

-- valid_until IS NULL: the current secret. At most one other may still be valid; older rows are kept only
-- to recognise who still uses them.
CREATE TABLE key_secrets (
    id TEXT PRIMARY KEY NOT NULL,
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    hash TEXT NOT NULL,
    last4 TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    valid_until BIGINT,
    first_used_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX key_secrets_by_key ON key_secrets (key_id);
CREATE UNIQUE INDEX key_secrets_one_current ON key_secrets (key_id) WHERE valid_until IS NULL;

-- What was done once and must not be done again: form nonces and Idempotency-Keys. Never holds a secret.
CREATE TABLE done_once (
    scope TEXT NOT NULL,
    token TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    object_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, token)
);
CREATE INDEX done_once_by_age ON done_once (created_at);

CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY NOT NULL,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT REFERENCES users (id),
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    address TEXT NOT NULL DEFAULT '',
    client TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE one_time_links (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('setup', 'invitation', 'password')),
    token_hash TEXT NOT NULL UNIQUE,
    org_id TEXT REFERENCES orgs (id),
    user_id TEXT REFERENCES users (id),
    email TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT '',
    created_by TEXT REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    withdrawn_at BIGINT
);
CREATE INDEX one_time_links_by_org ON one_time_links (org_id);

-- Failed sign-ins per bucket: an account from one source, or a source as a whole.
CREATE TABLE throttles (
    bucket TEXT PRIMARY KEY NOT NULL,
    failures BIGINT NOT NULL,
    since BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);

CREATE TABLE audit_chains (
    chain TEXT PRIMARY KEY NOT NULL,
    seq BIGINT NOT NULL,
    head TEXT NOT NULL
);

CREATE TABLE audit_log (
    chain TEXT NOT NULL REFERENCES audit_chains (chain),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    credential TEXT NOT NULL,
    action TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_name TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    address TEXT NOT NULL,
    via TEXT NOT NULL,
    request_id TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (chain, seq)
);

CREATE TABLE service_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
