-- Ends an attempt. Fenced: only the holder of the lease can.
-- $1 uuid    run
-- $2 bigint  lease token
-- $3 text    outcome: succeeded, retry (once more, later), dead, cancelled, or released (given back whole by a worker
--            that was told to stop; does not count as an attempt)
-- $4 int     milliseconds until the next attempt, of retry
-- $5 jsonb   report, or null
-- $6 jsonb   error {code, message, hint}, or null
-- Returns state text; no row when the lease was lost. A run that somebody wants cancelled is tried no more; one that
-- has succeeded has.
WITH held AS (
    SELECT run_id, CASE
        WHEN $3 = 'succeeded' THEN 'succeeded'
        WHEN $3 = 'cancelled' OR cancel_requested_at IS NOT NULL THEN 'cancelled'
        WHEN $3 = 'released' THEN 'retry_wait'
        WHEN $3 = 'dead' OR attempt >= max_attempts OR deadline_at < clock_timestamp() THEN 'dead'
        ELSE 'retry_wait' END AS next_state
    FROM tidesync.run WHERE run_id = $1::uuid AND lease_token = $2::bigint AND state = 'running' FOR UPDATE
), ended AS (
    UPDATE tidesync.run r SET
        state = next_state, finished_at = CASE WHEN next_state <> 'retry_wait' THEN clock_timestamp() END,
        attempt = CASE $3 WHEN 'released' THEN attempt - 1 ELSE attempt END,
        run_after = clock_timestamp() + make_interval(secs => CASE $3 WHEN 'retry' THEN $4::int / 1000.0 ELSE 0 END),
        result = coalesce($5::jsonb, result), error = $6::jsonb, progress = NULL,
        lease_owner = NULL, lease_token = NULL, lease_expires_at = NULL
    FROM held WHERE r.run_id = held.run_id
    RETURNING r.run_id, r.state
), closed AS (
    UPDATE tidesync.attempt a SET ended_at = clock_timestamp(), outcome = $3, error = $6::jsonb
    FROM ended WHERE a.run_id = ended.run_id AND a.lease_token = $2::bigint
)
SELECT state FROM ended;
