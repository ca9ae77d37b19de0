-- Every token that opens something now.
-- Returns id, name, scope, sha256 text (hex), left_ms bigint (until it expires; null: never).
SELECT id, name, scope, encode(sha256, 'hex') AS sha256,
    floor(extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint AS left_ms
FROM tidesync.token WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp());
