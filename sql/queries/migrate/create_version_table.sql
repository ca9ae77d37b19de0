-- Makes the schema and the table that remembers which numbered files ran. Repeats safely.
CREATE SCHEMA IF NOT EXISTS tidesync;
CREATE TABLE IF NOT EXISTS tidesync.schema_version (
    part       text NOT NULL,    -- run_store, production or scheduler
    version    int NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, version)
);
-- The first release knew two parts only.
ALTER TABLE tidesync.schema_version DROP CONSTRAINT IF EXISTS schema_version_part_check;
