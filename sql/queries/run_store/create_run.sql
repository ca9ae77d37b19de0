-- $1 text     job name
-- $2 text     trigger: qstash, manual, cronjob, redrive
-- $3 text     actor
-- $4 boolean  dry run
-- Returns run_id uuid.
INSERT INTO tidesync.run (job, state, trigger, actor, dry_run) VALUES ($1, 'queued', $2, $3, $4::boolean)
RETURNING run_id;
