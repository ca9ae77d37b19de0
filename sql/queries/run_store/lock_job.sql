-- Serialises the accepts of one job. A row lock, so it ends with the transaction whatever a pooler does.
-- $1 text  job name
-- Returns name text; no row for an unknown job.
SELECT name FROM tidesync.job WHERE name = $1 FOR UPDATE;
