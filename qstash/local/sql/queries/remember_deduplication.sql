-- $1 text    account
-- $2 text    deduplication id
-- $3 text    message id, if this is the first
-- $4 bigint  now, ms
-- $5 int     window, s
-- Returns message_id: the first one's. Serialises publishes with the same id.
INSERT INTO tidesync_qstash.deduplication AS d (account, deduplication_id, message_id, expires_at)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0) + make_interval(secs => $5::int))
ON CONFLICT (account, deduplication_id) DO UPDATE SET
    message_id = CASE WHEN d.expires_at <= to_timestamp($4::bigint / 1000.0) THEN excluded.message_id ELSE d.message_id END,
    expires_at = CASE WHEN d.expires_at <= to_timestamp($4::bigint / 1000.0) THEN excluded.expires_at ELSE d.expires_at END
RETURNING message_id;
