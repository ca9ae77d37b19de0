-- Takes a run that nobody works on: queued, waiting, or leased to a worker that stopped beating.
-- $1 uuid  run
-- $2 text  worker
-- $3 int   lease, seconds
-- Returns job, lease_token, attempt, dry_run; no row when somebody alive works on it or it has ended.
WITH lost AS (   -- the worker that held it is gone: its attempt ends here
    UPDATE tidesync.attempt a SET ended_at = clock_timestamp(), outcome = 'lost'
    FROM tidesync.run r
    WHERE r.run_id = $1::uuid AND r.state = 'running' AND r.lease_expires_at < clock_timestamp()
      AND a.run_id = r.run_id AND a.lease_token = r.lease_token AND a.ended_at IS NULL
), claimed AS (
    UPDATE tidesync.run SET
        state = 'running', attempt = attempt + 1, lease_owner = $2, lease_token = nextval('tidesync.lease_token_seq'),
        lease_expires_at = clock_timestamp() + make_interval(secs => $3::int), heartbeat_at = clock_timestamp(),
        started_at = coalesce(started_at, clock_timestamp())
    WHERE run_id = $1::uuid
      AND (state IN ('queued', 'retry_wait') OR (state = 'running' AND lease_expires_at < clock_timestamp()))
    RETURNING run_id, job, lease_token, attempt, dry_run
), opened AS (
    INSERT INTO tidesync.attempt (run_id, lease_token, n, worker)
    SELECT run_id, lease_token, attempt, $2 FROM claimed
)
SELECT job, lease_token, attempt, dry_run FROM claimed;
