-- What the last run of a job that committed did.
-- $1 text  job
-- Returns summary jsonb, or no row.
SELECT summary FROM tidesync.applied WHERE job = $1 ORDER BY lease_token DESC LIMIT 1;
