-- Makes the schema and the table that remembers which numbered files of the scheduler ran. Repeats safely. Its database
-- may hold nothing else of ours, so nothing of schema tidesync is asked for there.
CREATE SCHEMA IF NOT EXISTS tidesync_qstash;
CREATE TABLE IF NOT EXISTS tidesync_qstash.schema_version (
    part       text NOT NULL CHECK (part = 'scheduler'),
    version    int NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, version)
);
