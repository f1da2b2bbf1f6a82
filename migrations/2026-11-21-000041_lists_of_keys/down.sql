DROP INDEX key_secrets_ended;
DROP INDEX api_keys_not_revoked;
CREATE INDEX api_keys_not_revoked ON api_keys (org_id) WHERE revoked_at IS NULL;
DROP INDEX api_keys_by_org;
CREATE INDEX api_keys_by_org ON api_keys (org_id, created_at);
