-- A new message with the body of an old one.
-- $1 text    message id
-- $2 text    account
-- $3 text    schedule id, or null
-- $4 text    message id of the old one
-- $5 jsonb   options
-- $6 text    caller's address
-- $7 bigint  now, ms
-- $8 bigint  not before, ms
WITH made AS (
    INSERT INTO tidesync_qstash.message
        (message_id, account, schedule_id, options, host, body, caller_ip, created_at, not_before, due_at)
    SELECT $1, $2, $3, $5::jsonb, old.host, old.body, $6, to_timestamp($7::bigint / 1000.0), to_timestamp($8::bigint / 1000.0),
        to_timestamp($8::bigint / 1000.0)
    FROM tidesync_qstash.message old WHERE old.message_id = $4
    RETURNING account, message_id, created_at, due_at
)
INSERT INTO tidesync_qstash.log (account, message_id, at, state, next_delivery_at)
SELECT account, message_id, created_at, 'CREATED', due_at FROM made;
