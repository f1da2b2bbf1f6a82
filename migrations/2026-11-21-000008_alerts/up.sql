-- What people and programs are told of. An alert is written by the transaction of the deed itself; all else follows from it
-- later and may be tried again.

-- `once` is what makes an alert happen once, however often its cause is found: the key, the kind and the moment it is about.
-- `facts` is JSON and never holds a secret. An alert waits until its recipients are found.
CREATE TABLE alerts (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    kind TEXT NOT NULL,
    once TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    owner_id TEXT,
    facts TEXT NOT NULL,
    fanned_out_at BIGINT
);
CREATE INDEX alerts_waiting ON alerts (at) WHERE fanned_out_at IS NULL;
CREATE INDEX alerts_by_age ON alerts (at);

-- Where somebody chose otherwise than the default; `user_id` is empty for what the organization as a whole chose.
CREATE TABLE alert_switches (
    org_id TEXT NOT NULL REFERENCES orgs (id),
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('email_own', 'email_all', 'webhook')),
    is_on BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id, kind, channel)
);

-- Secrets are sealed with a key that is not in the database. A removed endpoint keeps its row for the log, without secrets.
CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    old_secret TEXT NOT NULL DEFAULT '',
    old_secret_until BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    failures BIGINT NOT NULL DEFAULT 0,
    failing_since BIGINT,
    disabled_at BIGINT,
    disabled_reason TEXT NOT NULL DEFAULT '',
    removed_at BIGINT
);
CREATE INDEX webhook_endpoints_by_org ON webhook_endpoints (org_id);

-- One per alert, channel and recipient: the id of a person or of an endpoint. `message` is the id under which it goes out,
-- the same at every attempt; deliveries to a person that go out in one e-mail share it. `lease` names the sender at work.
CREATE TABLE alert_deliveries (
    id TEXT PRIMARY KEY NOT NULL,
    alert_id TEXT NOT NULL REFERENCES alerts (id),
    org_id TEXT NOT NULL REFERENCES orgs (id),
    channel TEXT NOT NULL CHECK (channel IN ('email', 'webhook')),
    recipient TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
    attempts BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    lease TEXT NOT NULL DEFAULT '',
    leased_until BIGINT NOT NULL DEFAULT 0,
    finished_at BIGINT,
    UNIQUE (alert_id, channel, recipient)
);
CREATE INDEX alert_deliveries_due ON alert_deliveries (channel, next_attempt_at) WHERE state = 'waiting';
CREATE INDEX alert_deliveries_by_recipient ON alert_deliveries (recipient, created_at);

-- Every attempt to deliver: `status` is what the receiver answered, `outcome` a few words; never a body.
CREATE TABLE delivery_attempts (
    delivery_id TEXT NOT NULL REFERENCES alert_deliveries (id),
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    status BIGINT,
    duration_ms BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

-- Up to when the causes that come with time were looked for. Raising it is the claim to look; for e-mail it is only the turn
-- to gather what goes into one message.
CREATE TABLE alert_sweeps (
    kind TEXT PRIMARY KEY NOT NULL,
    swept_until BIGINT NOT NULL
);
INSERT INTO alert_sweeps (kind, swept_until) VALUES ('expiring', 0);
INSERT INTO alert_sweeps (kind, swept_until) VALUES ('grace_ending', 0);
INSERT INTO alert_sweeps (kind, swept_until) VALUES ('unused', 0);
INSERT INTO alert_sweeps (kind, swept_until) VALUES ('new_network', 0);
INSERT INTO alert_sweeps (kind, swept_until) VALUES ('email', 0);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX key_secrets_by_end ON key_secrets (valid_until) WHERE valid_until IS NOT NULL;

-- From where keys were used: `203.0.113.0/24`, `2001:db8:1::/48`. Written while checks are counted, so no row refers to
-- another table.
CREATE TABLE key_networks (
    key_id TEXT NOT NULL,
    network TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    is_told BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, network)
);
CREATE INDEX key_networks_new ON key_networks (first_seen_at) WHERE is_told = 0;
