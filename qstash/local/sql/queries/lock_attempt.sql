-- $1 text    message id
-- $2 bigint  lease token
-- Returns cancel_requested; no row when somebody else has taken the message up: then this answer does not count.
SELECT cancel_requested FROM tidesync_qstash.message
WHERE message_id = $1 AND lease_token = $2::bigint AND state = 'active' FOR UPDATE;
