-- Makes an account, or gives it the settings' keys when those have changed. Keys that were rotated here stay while the
-- settings stay.
-- $1 text     account
-- $2 text     current key
-- $3 text     next key
-- $4 text     SHA-256 of the pair, hex
-- $5 boolean  true: always set the keys back to these
-- Returns current_key, next_key, as they are now.
INSERT INTO tidesync_qstash.account AS a (account, current_key, next_key, given_sha256)
VALUES ($1, $2, $3, decode($4, 'hex'))
ON CONFLICT (account) DO UPDATE SET
    current_key = CASE WHEN $5::boolean OR a.given_sha256 <> excluded.given_sha256 THEN excluded.current_key ELSE a.current_key END,
    next_key = CASE WHEN $5::boolean OR a.given_sha256 <> excluded.given_sha256 THEN excluded.next_key ELSE a.next_key END,
    given_sha256 = excluded.given_sha256
RETURNING current_key, next_key;
