DROP INDEX api_keys_by_name;
DROP TABLE gate_nodes;
DROP TABLE gate_changes;
DROP TABLE gate_clock;
