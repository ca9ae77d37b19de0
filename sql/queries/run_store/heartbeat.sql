-- Says that the worker is alive and how far it got.
-- $1 uuid    run
-- $2 bigint  lease token
-- $3 int     lease, milliseconds
-- $4 jsonb   progress
-- Returns cancelled boolean (somebody wants it stopped), late boolean (its deadline has passed) while the lease is ours,
-- no row when it was lost.
UPDATE tidesync.run SET
    lease_expires_at = clock_timestamp() + make_interval(secs => $3::int / 1000.0), heartbeat_at = clock_timestamp(),
    progress = $4::jsonb
WHERE run_id = $1::uuid AND lease_token = $2::bigint AND state = 'running'
RETURNING cancel_requested_at IS NOT NULL AS cancelled, deadline_at < clock_timestamp() AS late;
