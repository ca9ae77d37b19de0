-- Makes the schema and the table that remembers which numbered files ran. Repeats safely.
CREATE SCHEMA IF NOT EXISTS tidesync;
CREATE TABLE IF NOT EXISTS tidesync.schema_version (
    part       text NOT NULL CHECK (part IN ('run_store', 'production')),
    version    int NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, version)
);
