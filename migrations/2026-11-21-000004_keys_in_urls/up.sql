-- 1: the key may travel in a URL, where the operator allows it for an endpoint.
ALTER TABLE api_keys ADD COLUMN url_allowed BIGINT NOT NULL DEFAULT 0 CHECK (url_allowed IN (0, 1));
