-- Whether a run can be approved: a guard stopped it, and no run has made its difference since.
-- $1 uuid  the run
-- $2 text  job
-- Returns stopped bool, made_by uuid (the run that carries an approval of it and has made its difference, or may yet, or null); no row when there is no
-- such run of the job.
SELECT r.state = 'dead' AND r.error ->> 'code' = 'guarded' AND r.result ? 'guard' AS stopped,
    (SELECT a.run_id FROM tidesync.run a WHERE a.job = r.job AND a.approves = r.run_id AND a.state IN ('succeeded', 'queued', 'running', 'retry_wait') LIMIT 1) AS made_by
FROM tidesync.run r WHERE r.run_id = $1::uuid AND r.job = $2;
