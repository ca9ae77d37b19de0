-- $1 int  rows at most
-- Returns the columns of run_shown, newest first.
SELECT * FROM tidesync.run_shown ORDER BY made DESC, run_id LIMIT $1::int;
