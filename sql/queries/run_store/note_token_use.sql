-- Remembers that a token was used. Several workers may say so at once: the row is written about once a minute.
-- $1 text  id
UPDATE tidesync.token SET last_used_at = clock_timestamp()
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '50 seconds');
