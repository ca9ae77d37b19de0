-- Ends an attempt. Fenced: only the holder of the lease can.
-- $1 uuid    run
-- $2 bigint  lease token
-- $3 text    outcome: succeeded, retry (once more, later), in_doubt (the same, and it may have succeeded), dead, cancelled,
--            released (given back whole by a worker that was told to stop; does not count as an attempt), or settled (a
--            last look found that no attempt has changed anything, nor can: the end that is due follows)
-- $4 int     milliseconds until the next attempt, of retry and in_doubt
-- $5 jsonb   report, or null
-- $6 jsonb   error {code, message, hint}, or null. A last look that finds no success leaves the run the one that it has,
--            which is why its end is due
-- Returns state text; no row when the lease was lost. A run that somebody wants cancelled is tried no more; one that
-- has succeeded has. While an earlier attempt is in doubt any other end is only due, and a last look follows at once.
-- Asking again, because the answer to COMMIT was lost, changes nothing and returns the state now.
WITH held AS (
    SELECT run_id, end_due, (in_doubt OR $3 = 'in_doubt') AND $3 NOT IN ('succeeded', 'settled') AS doubtful, CASE
        WHEN $3 = 'succeeded' THEN 'succeeded'
        WHEN $3 = 'settled' THEN end_due
        WHEN $3 = 'cancelled' OR cancel_requested_at IS NOT NULL THEN 'cancelled'
        WHEN $3 = 'released' THEN 'retry_wait'
        WHEN $3 = 'dead' OR attempt >= max_attempts OR deadline_at < clock_timestamp() THEN 'dead'
        ELSE 'retry_wait' END AS verdict
    FROM tidesync.run WHERE run_id = $1::uuid AND lease_token = $2::bigint AND state = 'running' FOR UPDATE
), decided AS (
    SELECT run_id, doubtful, CASE WHEN doubtful THEN 'retry_wait' ELSE verdict END AS next_state,
        CASE WHEN doubtful THEN coalesce(end_due, nullif(verdict, 'retry_wait')) END AS due
    FROM held
), ended AS (
    UPDATE tidesync.run r SET
        state = next_state, finished_at = CASE WHEN next_state <> 'retry_wait' THEN clock_timestamp() END,
        in_doubt = doubtful, end_due = due,
        attempt = CASE WHEN $3 IN ('released', 'settled') OR r.end_due IS NOT NULL THEN attempt - 1 ELSE attempt END,
        run_after = clock_timestamp()
            + make_interval(secs => CASE WHEN $3 IN ('retry', 'in_doubt') THEN $4::int / 1000.0 ELSE 0 END),
        result = coalesce($5::jsonb, result), error = CASE WHEN r.end_due IS NOT NULL AND $3 <> 'succeeded' THEN r.error ELSE $6::jsonb END,
        progress = NULL, lease_owner = NULL, lease_token = NULL, lease_expires_at = NULL
    FROM decided WHERE r.run_id = decided.run_id
    RETURNING r.run_id, r.state
), closed AS (
    UPDATE tidesync.attempt a SET ended_at = clock_timestamp(), error = $6::jsonb,
        outcome = CASE $3 WHEN 'in_doubt' THEN 'retry' WHEN 'settled' THEN ended.state ELSE $3 END
    FROM ended WHERE a.run_id = ended.run_id AND a.lease_token = $2::bigint
)
SELECT state FROM ended
UNION ALL
SELECT r.state FROM tidesync.attempt a JOIN tidesync.run r ON r.run_id = a.run_id
WHERE a.run_id = $1::uuid AND a.lease_token = $2::bigint AND NOT EXISTS (SELECT FROM held)
  AND a.outcome = CASE $3 WHEN 'in_doubt' THEN 'retry' WHEN 'settled' THEN r.state ELSE $3 END;
