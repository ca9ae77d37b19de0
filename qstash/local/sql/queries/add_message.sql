-- $1 text     message id
-- $2 text     account
-- $3 text     schedule id, or null
-- $4 text     message id that this one reports about, or null
-- $5 jsonb    options
-- $6 text     body, hex
-- $7 text     caller's address
-- $8 bigint   now, ms
-- $9 bigint   not before, ms
-- $10 bigint  the missed tick that it makes up for, ms, or null
-- $11 text    host of the destination
WITH made AS (
    INSERT INTO tidesync_qstash.message
        (message_id, account, schedule_id, callback_of, options, body, caller_ip, created_at, not_before, due_at, catch_up_of,
         host)
    VALUES ($1, $2, $3, $4, $5::jsonb, decode($6, 'hex'), $7, to_timestamp($8::bigint / 1000.0),
        to_timestamp($9::bigint / 1000.0), to_timestamp($9::bigint / 1000.0), to_timestamp($10::bigint / 1000.0), $11)
    RETURNING account, message_id, created_at, due_at
)
INSERT INTO tidesync_qstash.log (account, message_id, at, state, next_delivery_at)
SELECT account, message_id, created_at, 'CREATED', due_at FROM made;
