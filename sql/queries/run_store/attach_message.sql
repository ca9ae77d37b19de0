-- Counts a delivery of a message that is already known.
-- $1 text  source
-- $2 text  message id
-- $3 text  SHA-256 of the body, hex
-- Returns same_body boolean, and of the run what its answer needs; no row for a new message. When finished_at is there
-- the run has ended and stays so; otherwise another delivery may have changed it meanwhile.
UPDATE tidesync.message AS m SET deliveries = deliveries + 1, last_seen = clock_timestamp()
FROM tidesync.run AS r
WHERE m.source = $1 AND m.message_id = $2 AND r.run_id = m.run_id
RETURNING m.body_sha256 = decode($3, 'hex') AS same_body, r.run_id, r.job, r.state, r.dry_run, r.result, r.error,
    to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at;
