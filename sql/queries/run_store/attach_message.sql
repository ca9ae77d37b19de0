-- Counts a delivery of a message that is already known.
-- $1 text  source
-- $2 text  message id
-- $3 text  SHA-256 of the body, hex
-- Returns run_id uuid, same_body boolean; no row for a new message.
UPDATE tidesync.message SET deliveries = deliveries + 1, last_seen = clock_timestamp()
WHERE source = $1 AND message_id = $2
RETURNING run_id, body_sha256 = decode($3, 'hex') AS same_body;
