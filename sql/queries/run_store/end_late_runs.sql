-- Ends runs that nobody works on and whose deadline has passed; of those in doubt the end is due now.
-- $1 int  rows at most
-- Returns run_id, job, state, dry_run, message (of the error).
UPDATE tidesync.run SET
    state = CASE WHEN in_doubt THEN state ELSE 'dead' END,
    finished_at = CASE WHEN NOT in_doubt THEN clock_timestamp() END,
    end_due = CASE WHEN in_doubt THEN 'dead' END,
    run_after = CASE WHEN in_doubt THEN clock_timestamp() ELSE run_after END,
    error = coalesce(error, '{}') || jsonb_build_object(
        'code', 'deadline', 'message', 'the run did not end before its deadline' || coalesce('; last: ' || (error ->> 'message'), ''),
        'hint', 'was the job paused, or no worker there? raise deadline_s in tidesync.yaml where a run may take longer')
WHERE run_id IN (
    SELECT run_id FROM tidesync.run
    WHERE state IN ('queued', 'retry_wait') AND deadline_at < clock_timestamp() AND end_due IS NULL
    ORDER BY deadline_at LIMIT $1::int FOR UPDATE SKIP LOCKED)
RETURNING run_id, job, state, dry_run, error ->> 'message' AS message;
