-- Returns one row a job: name, overlap, paused_at, paused_by, paused_reason, last_success (when the last run that wrote
-- ended well), expected_by (when the next one has to at the latest), late, at_work and in_line (as in find_active_runs).
SELECT j.name, overlap, paused_by, paused_reason, late,
    to_char(paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS paused_at,
    to_char(last_success AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_success,
    to_char(expected_by AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS expected_by,
    (SELECT run_id FROM tidesync.run
     WHERE job = j.name AND state IN ('running', 'retry_wait') AND NOT dry_run) AS at_work,
    (SELECT run_id FROM tidesync.run WHERE job = j.name AND state = 'queued' AND NOT dry_run) AS in_line
FROM tidesync.job j JOIN tidesync.job_standing s ON s.name = j.name ORDER BY name;
