-- For metrics. Times are unix seconds, null where there was none.
-- Returns one row a job: name, queued, running, retry_wait (runs in that state), paused boolean, late boolean, last_success
-- (of a run that wrote), expected_by, last_dead, last_fallback (when the fallback last had to make a run).
SELECT s.name, s.paused, s.late, counts.*,
    extract(epoch FROM s.last_success) AS last_success, extract(epoch FROM s.expected_by) AS expected_by,
    extract(epoch FROM (SELECT max(finished_at) FROM tidesync.run WHERE job = s.name AND state = 'dead')) AS last_dead,
    extract(epoch FROM (
        SELECT created_at FROM tidesync.run
        WHERE job = s.name AND trigger = 'cronjob' ORDER BY slot DESC LIMIT 1)) AS last_fallback
FROM tidesync.job_standing s CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'queued')::int AS queued,
        count(*) FILTER (WHERE state = 'running')::int AS running,
        count(*) FILTER (WHERE state = 'retry_wait')::int AS retry_wait
    FROM tidesync.run WHERE job = s.name AND state IN ('queued', 'running', 'retry_wait')) counts
ORDER BY s.name;
