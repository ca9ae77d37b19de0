-- For metrics. Times are unix seconds, null where there was none.
-- Returns one row a job: name, queued, running, retry_wait (runs in that state), paused boolean, last_success (of a run
-- that wrote), last_dead, last_fallback (when the fallback last had to make a run).
SELECT name, paused_at IS NOT NULL AS paused, counts.*,
    extract(epoch FROM (
        SELECT finished_at FROM tidesync.run
        WHERE job = j.name AND state = 'succeeded' AND NOT dry_run ORDER BY created_at DESC LIMIT 1)) AS last_success,
    extract(epoch FROM (SELECT max(finished_at) FROM tidesync.run WHERE job = j.name AND state = 'dead')) AS last_dead,
    extract(epoch FROM (
        SELECT created_at FROM tidesync.run
        WHERE job = j.name AND trigger = 'cronjob' ORDER BY slot DESC LIMIT 1)) AS last_fallback
FROM tidesync.job j CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'queued')::int AS queued,
        count(*) FILTER (WHERE state = 'running')::int AS running,
        count(*) FILTER (WHERE state = 'retry_wait')::int AS retry_wait
    FROM tidesync.run WHERE job = j.name AND state IN ('queued', 'running', 'retry_wait')) counts
ORDER BY name;
