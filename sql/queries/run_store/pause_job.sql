-- Keeps the job from starting anything until it is resumed. What runs goes on. Pausing again keeps the first author.
-- $1 text  job name
-- $2 text  who
-- $3 text  why
-- Returns paused_by, paused_reason; no row for an unknown job.
UPDATE tidesync.job SET
    paused_at = coalesce(paused_at, clock_timestamp()), paused_by = coalesce(paused_by, $2),
    paused_reason = coalesce(paused_reason, $3)
WHERE name = $1
RETURNING paused_by, paused_reason;
