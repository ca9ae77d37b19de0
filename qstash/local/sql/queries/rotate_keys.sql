-- $1 text    account
-- $2 text    the fresh key
-- $3 bigint  now, ms
-- Returns current_key, next_key.
UPDATE tidesync_qstash.account
SET current_key = next_key, next_key = $2, rotated_at = to_timestamp($3::bigint / 1000.0)
WHERE account = $1
RETURNING current_key, next_key;
