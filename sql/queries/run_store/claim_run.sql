-- Takes the run that has waited longest and may start now: nothing else of its job is at work, and nobody paused it.
-- One whose end is due is taken for a last look, which a pause does not hinder: what earlier attempts did must be known.
-- $1 text    worker
-- $2 int     lease, milliseconds
-- $3 text[]  the jobs that this worker knows
-- $4 uuid    only this run, or null
-- Returns run_id, job, lease_token, attempt, dry_run, last_look, due_to (its error, of a last look), waited_ms (since it
-- might have started), since_start_ms (of its first attempt, null when this is the first), approves (a run that a guard
-- stopped, or null) and approved_difference (what that run would have done); no row when there is none.
WITH waiting AS (
    SELECT r.run_id, r.run_after, r.started_at FROM tidesync.run r JOIN tidesync.job j ON j.name = r.job
    WHERE r.state IN ('queued', 'retry_wait') AND r.run_after <= clock_timestamp() AND r.job = ANY ($3::text[])
      AND ($4::uuid IS NULL OR r.run_id = $4::uuid)
      AND (r.dry_run OR r.end_due IS NOT NULL OR j.paused_at IS NULL)
      AND (r.dry_run OR r.state = 'retry_wait' OR NOT EXISTS (
          SELECT FROM tidesync.run other
          WHERE other.job = r.job AND NOT other.dry_run AND other.state IN ('running', 'retry_wait')))
    ORDER BY r.run_after LIMIT 1 FOR UPDATE OF r SKIP LOCKED
), claimed AS (
    UPDATE tidesync.run r SET
        state = 'running', attempt = attempt + 1, lease_owner = $1, lease_token = nextval('tidesync.lease_token_seq'),
        lease_expires_at = clock_timestamp() + make_interval(secs => $2::int / 1000.0), heartbeat_at = clock_timestamp(),
        started_at = coalesce(r.started_at, clock_timestamp())
    FROM waiting w WHERE r.run_id = w.run_id
    RETURNING r.run_id, job, lease_token, attempt, dry_run, end_due IS NOT NULL AS last_look,
        CASE WHEN end_due IS NOT NULL THEN error END AS due_to,
        (extract(epoch FROM clock_timestamp() - w.run_after) * 1000)::bigint AS waited_ms,
        (extract(epoch FROM clock_timestamp() - w.started_at) * 1000)::bigint AS since_start_ms, approves
), opened AS (
    INSERT INTO tidesync.attempt (run_id, lease_token, n, worker)
    SELECT run_id, lease_token, attempt, $1 FROM claimed
)
SELECT run_id, job, lease_token, attempt, dry_run, last_look, due_to, waited_ms, since_start_ms,
    approves, (SELECT s.result -> 'guard' ->> 'difference' FROM tidesync.run s WHERE s.run_id = claimed.approves) AS approved_difference
FROM claimed;
