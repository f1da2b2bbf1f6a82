-- A list of keys comes in the order of its index, with nothing left to sort.
DROP INDEX api_keys_by_org;
CREATE INDEX api_keys_by_org ON api_keys (org_id, created_at, id);
-- The keys that count against a plan are counted from the index alone.
DROP INDEX api_keys_not_revoked;
CREATE INDEX api_keys_not_revoked ON api_keys (org_id, expires_at) WHERE revoked_at IS NULL;
-- The latest secret before the current one; a key that was never rotated has no entry.
CREATE INDEX key_secrets_ended ON key_secrets (key_id, created_at, id) WHERE valid_until IS NOT NULL;
