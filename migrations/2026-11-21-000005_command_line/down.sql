DROP TABLE cli_tokens;
DROP TABLE device_codes;
