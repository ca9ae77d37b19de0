-- Asks for the end of a run. One that nobody works on ends now; a running one learns it at its next beat, and ends as
-- cancelled unless its COMMIT was faster. One in doubt gets a last look first: it may have succeeded.
-- $1 uuid  run
-- $2 text  who
-- Returns state, job; no row when it has ended already or is unknown.
UPDATE tidesync.run SET
    cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancelled_by = coalesce(cancelled_by, $2),
    state = CASE WHEN state = 'running' OR in_doubt THEN state ELSE 'cancelled' END,
    end_due = CASE WHEN in_doubt AND state = 'retry_wait' THEN coalesce(end_due, 'cancelled') ELSE end_due END,
    run_after = CASE WHEN in_doubt THEN clock_timestamp() ELSE run_after END,
    finished_at = CASE WHEN state <> 'running' AND NOT in_doubt THEN clock_timestamp() END
WHERE run_id = $1::uuid AND state IN ('queued', 'running', 'retry_wait')
RETURNING state, job;
