-- Ends runs that nobody works on and whose deadline has passed.
-- $1 int  rows at most
-- Returns run_id, job.
UPDATE tidesync.run SET
    state = 'dead', finished_at = clock_timestamp(),
    error = coalesce(error, '{}') || jsonb_build_object(
        'code', 'deadline', 'message', 'the run did not end before its deadline' || coalesce('; last: ' || (error ->> 'message'), ''),
        'hint', 'was the job paused, or no worker there? raise deadline_s in tidesync.yaml where a run may take longer')
WHERE run_id IN (
    SELECT run_id FROM tidesync.run
    WHERE state IN ('queued', 'retry_wait') AND deadline_at < clock_timestamp()
    ORDER BY deadline_at LIMIT $1::int FOR UPDATE SKIP LOCKED)
RETURNING run_id, job;
