-- Attempts that shutting down cut off: somebody else makes them, at once.
-- $1 bigint    now, ms
-- $2 bigint[]  lease tokens
UPDATE tidesync_qstash.message SET state = 'waiting', lease_token = NULL, due_at = to_timestamp($1::bigint / 1000.0)
WHERE state = 'active' AND lease_token = ANY ($2::bigint[]);
