-- $1 text    message id
-- $2 text    state: waiting for a retry, delivered, failed, or canceled
-- $3 bigint  now, ms
-- $4 bigint  next attempt, ms, or null
-- $5 text    id in the dead letter queue, or null
-- $6 int     status of the answer, or null
-- $7 jsonb   headers of the answer, or null
-- $8 text    body of the answer, hex, or null
UPDATE tidesync_qstash.message SET
    state = $2, lease_token = NULL,
    retried = CASE WHEN $2 = 'waiting' THEN retried + 1 ELSE retried END,
    due_at = coalesce(to_timestamp($4::bigint / 1000.0), due_at),
    finished_at = CASE WHEN $2 <> 'waiting' THEN to_timestamp($3::bigint / 1000.0) END,
    dlq_id = $5, response_status = $6::int, response_headers = $7::jsonb, response_body = decode($8, 'hex')
WHERE message_id = $1;
