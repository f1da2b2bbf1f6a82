-- Keys that were found elsewhere, as partners reported them: a line for each secret and place, and never the secret itself.
CREATE TABLE leak_reports (
    secret_id TEXT NOT NULL REFERENCES key_secrets (id),
    partner TEXT NOT NULL CHECK (partner IN ('github', 'gitlab')),
    place TEXT NOT NULL,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    found TEXT NOT NULL CHECK (found IN ('current', 'in_grace', 'ended')),
    done TEXT NOT NULL CHECK (done IN ('revoked', 'old_secret_ended', 'told', 'nothing')),
    reported_at BIGINT NOT NULL,
    PRIMARY KEY (secret_id, partner, place)
);
CREATE INDEX leak_reports_by_org ON leak_reports (org_id, reported_at);
CREATE INDEX leak_reports_by_key ON leak_reports (key_id);
