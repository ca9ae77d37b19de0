-- Binds a token's jti to the first message id it came with.
-- $1 text    jti
-- $2 text    message id of this delivery
-- $3 bigint  expiry of the token, unix seconds
-- Returns message_id text: the one the jti belongs to. Another one than $2 is a replay.
INSERT INTO tidesync.jti_seen AS seen (jti, message_id, expires_at) VALUES ($1, $2, to_timestamp($3::bigint))
ON CONFLICT (jti) DO UPDATE SET message_id = seen.message_id
RETURNING message_id;
