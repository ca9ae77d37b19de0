-- Asks for the end of a run. One that nobody works on ends now; a running one learns it at its next beat, and ends as
-- cancelled unless its COMMIT was faster.
-- $1 uuid  run
-- $2 text  who
-- Returns state text; no row when it has ended already or is unknown.
UPDATE tidesync.run SET
    cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancelled_by = coalesce(cancelled_by, $2),
    state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
    finished_at = CASE WHEN state <> 'running' THEN clock_timestamp() END
WHERE run_id = $1::uuid AND state IN ('queued', 'running', 'retry_wait')
RETURNING state;
