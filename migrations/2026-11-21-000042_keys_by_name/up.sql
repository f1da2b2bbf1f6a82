-- Whether a person has a key of this name already is found in one step, however many they have.
DROP INDEX api_keys_by_owner;
CREATE INDEX api_keys_by_owner ON api_keys (owner_id, name);
