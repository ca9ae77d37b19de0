-- $1 text  scheduler
-- $2 int   the number of the file that just ran
INSERT INTO tidesync_qstash.schema_version (part, version) VALUES ($1, $2);
