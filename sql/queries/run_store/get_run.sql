-- $1 uuid  run
-- Returns the columns of run_shown; no row for an unknown run.
SELECT * FROM tidesync.run_shown WHERE run_id = $1::uuid;
