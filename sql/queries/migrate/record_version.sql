-- $1 text  run_store, production or scheduler
-- $2 int   the number of the file that just ran
INSERT INTO tidesync.schema_version (part, version) VALUES ($1, $2);
