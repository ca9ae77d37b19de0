-- $1 text  run_store or production
-- $2 int   the number of the file that just ran
INSERT INTO tidesync.schema_version (part, version) VALUES ($1, $2);
