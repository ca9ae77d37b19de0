-- $1 text  job name
-- Returns one row: at_work uuid (running, or waiting for its next attempt) and in_line uuid (to start after it), null
-- where there is none; stopping boolean: somebody wants the one at work cancelled, or its end is due. Dry runs do not
-- count: a request that wants changes must not join one. dry_runs int counts those that have not ended.
SELECT
    (SELECT run_id FROM tidesync.run
     WHERE job = $1 AND state IN ('running', 'retry_wait') AND NOT dry_run) AS at_work,
    EXISTS (SELECT FROM tidesync.run
     WHERE job = $1 AND state IN ('running', 'retry_wait') AND NOT dry_run
       AND (cancel_requested_at IS NOT NULL OR end_due IS NOT NULL)) AS stopping,
    (SELECT run_id FROM tidesync.run WHERE job = $1 AND state = 'queued' AND NOT dry_run) AS in_line,
    (SELECT count(*)::int FROM tidesync.run WHERE job = $1 AND state IN ('queued', 'retry_wait') AND dry_run)
        + (SELECT count(*)::int FROM tidesync.run WHERE job = $1 AND state = 'running' AND dry_run) AS dry_runs; -- an index each
