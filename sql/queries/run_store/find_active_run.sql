-- $1 text  job name
-- Returns run_id uuid of the run that is queued, running or waiting; at most one (index run_one_active). Dry runs do not
-- count: a request that wants changes must not join one.
SELECT run_id FROM tidesync.run WHERE job = $1 AND state IN ('queued', 'running', 'retry_wait') AND NOT dry_run;
