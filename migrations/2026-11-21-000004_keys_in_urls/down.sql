ALTER TABLE api_keys DROP COLUMN url_allowed;
