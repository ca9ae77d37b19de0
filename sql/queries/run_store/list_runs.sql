-- $1 int   rows at most
-- $2 text  only of this job, or null
-- $3 text  only in this state, or null
-- Returns the columns of run_shown, newest first.
SELECT * FROM tidesync.run_shown
WHERE ($2::text IS NULL OR job = $2) AND ($3::text IS NULL OR state = $3)
ORDER BY made DESC, run_id LIMIT $1::int;
