-- $1 text  job name
-- Returns was_paused boolean; no row for an unknown job.
UPDATE tidesync.job j SET
    paused_at = NULL, paused_by = NULL, paused_reason = NULL,
    resumed_at = CASE WHEN before.was_paused THEN clock_timestamp() ELSE resumed_at END
FROM (SELECT name, paused_at IS NOT NULL AS was_paused FROM tidesync.job WHERE name = $1 FOR UPDATE) before
WHERE j.name = before.name
RETURNING before.was_paused;
