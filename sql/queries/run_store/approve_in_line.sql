-- Lets the run that is in line carry an approval, unless it carries another.
-- $1 uuid  the run in line
-- $2 uuid  the run that a guard stopped
-- Returns run_id uuid; no row when it carries another, or has begun meanwhile.
UPDATE tidesync.run SET approves = $2::uuid WHERE run_id = $1::uuid AND state = 'queued' AND approves IS NULL
RETURNING run_id;
