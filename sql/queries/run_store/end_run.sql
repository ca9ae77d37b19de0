-- Ends an attempt. Fenced: only the holder of the lease can.
-- $1 uuid    run
-- $2 bigint  lease token
-- $3 text    outcome: succeeded, dead, or released (given back whole: the next delivery takes it up again)
-- $4 jsonb   report, or null
-- $5 jsonb   error {code, message, hint}, or null
-- Returns state text; no row when the lease was lost.
WITH ended AS (
    UPDATE tidesync.run SET
        state = CASE $3 WHEN 'released' THEN 'retry_wait' ELSE $3 END,
        finished_at = CASE WHEN $3 <> 'released' THEN clock_timestamp() END,
        attempt = CASE $3 WHEN 'released' THEN attempt - 1 ELSE attempt END,
        result = coalesce($4::jsonb, result), error = $5::jsonb, progress = NULL,
        lease_owner = NULL, lease_token = NULL, lease_expires_at = NULL
    WHERE run_id = $1::uuid AND lease_token = $2::bigint AND state = 'running'
    RETURNING run_id, state
), closed AS (
    UPDATE tidesync.attempt a SET ended_at = clock_timestamp(), outcome = $3, error = $5::jsonb
    FROM ended WHERE a.run_id = ended.run_id AND a.lease_token = $2::bigint
)
SELECT state FROM ended;
