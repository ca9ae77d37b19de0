-- $1 text    account
-- $2 text    message id
-- $3 bigint  now, ms
-- $4 text    state
-- $5 text    error, or null
-- $6 bigint  next delivery, ms, or null
-- $7 int     status of the answer, or null
-- $8 jsonb   headers of the answer, or null
-- $9 text    body of the answer, hex, or null
INSERT INTO tidesync_qstash.log
    (account, message_id, at, state, error, next_delivery_at, response_status, response_headers, response_body)
VALUES ($1, $2, to_timestamp($3::bigint / 1000.0), $4, $5, to_timestamp($6::bigint / 1000.0), $7::int, $8::jsonb,
    decode($9, 'hex'));
