-- $1 text     job name
-- $2 text     state: queued, or skipped (the job is paused)
-- $3 text     trigger: qstash, manual, cronjob, redrive
-- $4 text     actor
-- $5 boolean  dry run
-- $6 uuid     the run that it makes up for, or null
-- $7 text     the slot that it stands in for, or null
-- $8 int      seconds that it may take from now to its end, with all attempts
-- $9 jsonb    why it was skipped, {code, message, hint}, or null
-- $10 uuid    the run that a guard stopped and that this one may make the difference of, or null
-- Returns run_id uuid.
INSERT INTO tidesync.run (job, state, trigger, actor, dry_run, retry_of, slot, deadline_at, error, finished_at,
    approves)
VALUES ($1, $2, $3, $4, $5::boolean, $6::uuid, $7::timestamptz, clock_timestamp() + make_interval(secs => $8::int),
    $9::jsonb, CASE WHEN $2 = 'skipped' THEN clock_timestamp() END, $10::uuid)
RETURNING run_id;
