-- $1 text  account
-- $2 text  message id
-- Returns a message that is not over; logs and the dead letter queue know the others.
SELECT message_id, schedule_id, options, encode(body, 'hex') AS body, caller_ip,
    (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM not_before) * 1000)::bigint AS not_before_ms
FROM tidesync_qstash.message
WHERE account = $1 AND message_id = $2 AND state IN ('waiting', 'active');
