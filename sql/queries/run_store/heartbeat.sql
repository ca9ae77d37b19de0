-- Says that the worker is alive and how far it got.
-- $1 uuid    run
-- $2 bigint  lease token
-- $3 int     lease, seconds
-- $4 jsonb   progress
-- Returns a row while the lease is ours, none when it was lost.
UPDATE tidesync.run SET
    lease_expires_at = clock_timestamp() + make_interval(secs => $3::int), heartbeat_at = clock_timestamp(),
    progress = $4::jsonb
WHERE run_id = $1::uuid AND lease_token = $2::bigint AND state = 'running'
RETURNING run_id;
