-- What billing told by webhook: each event once. Forgotten after some weeks; by then its signature is long refused.
CREATE TABLE billing_events (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX billing_events_by_age ON billing_events (received_at);

-- How each subscription stands, by the newest event of it (`told_at`, and `told_rank` within a second). `org_id` is null until
-- somebody says whose it is; `plan` is empty where what is paid for is no plan of ours.
CREATE TABLE billing_subscriptions (
    id TEXT PRIMARY KEY NOT NULL,
    customer TEXT NOT NULL,
    org_id TEXT REFERENCES orgs (id),
    plan TEXT NOT NULL,
    is_live BIGINT NOT NULL CHECK (is_live IN (0, 1)),
    told_at BIGINT NOT NULL,
    told_rank BIGINT NOT NULL
);
CREATE INDEX billing_subscriptions_by_org ON billing_subscriptions (org_id);
CREATE INDEX billing_subscriptions_by_customer ON billing_subscriptions (customer);

-- Who asks for which plan: one request per person. Gone when the plan is changed.
CREATE TABLE plan_requests (
    org_id TEXT NOT NULL REFERENCES orgs (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    plan TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
