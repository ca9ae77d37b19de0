-- Runs that committed lately, newest first.
-- $1 int  days back
-- $2 int  rows at most
-- Returns run_id, at text.
SELECT run_id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') AS at FROM tidesync.applied
WHERE at > clock_timestamp() - make_interval(days => $1::int) ORDER BY applied.at DESC LIMIT $2::int;
