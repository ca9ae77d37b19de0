-- Returns one row a job: name, overlap, paused_at, paused_by, paused_reason, last_success (when the last run that wrote
-- ended well), at_work and in_line (as in find_active_runs).
SELECT name, overlap, paused_by, paused_reason,
    to_char(paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS paused_at,
    to_char((
        SELECT finished_at FROM tidesync.run
        WHERE job = j.name AND state = 'succeeded' AND NOT dry_run ORDER BY created_at DESC LIMIT 1) AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_success,
    (SELECT run_id FROM tidesync.run
     WHERE job = j.name AND state IN ('running', 'retry_wait') AND NOT dry_run) AS at_work,
    (SELECT run_id FROM tidesync.run WHERE job = j.name AND state = 'queued' AND NOT dry_run) AS in_line
FROM tidesync.job j ORDER BY name;
