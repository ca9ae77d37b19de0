-- $1 uuid  run
-- Returns one row, or none. `alive` is false for a running run whose worker stopped beating.
SELECT run_id, job, state, trigger, actor, dry_run, attempt, progress, result, error,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
    to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
    to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at,
    state = 'running' AND lease_expires_at >= clock_timestamp() AS alive
FROM tidesync.run WHERE run_id = $1::uuid;
