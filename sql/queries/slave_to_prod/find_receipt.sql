-- Whether a run committed, and what it did.
-- $1 uuid  run
-- Returns summary jsonb, or no row.
SELECT summary FROM tidesync.applied WHERE run_id = $1::uuid;
