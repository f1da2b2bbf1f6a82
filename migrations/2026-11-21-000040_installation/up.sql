-- One row: the random name of this installation, by which a backup and a revocation journal are known to belong together.
CREATE TABLE installation (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    name TEXT NOT NULL
);
