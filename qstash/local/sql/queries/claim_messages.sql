-- Takes messages whose attempt is due, and those whose attempt was lost with the process that made it.
-- $1 bigint  now, ms
-- $2 int     lease, ms
-- $3 int     rows at most
-- Returns what an attempt needs; a row here is ours until its lease ends.
WITH due AS (
    SELECT message_id FROM tidesync_qstash.message
    WHERE state IN ('waiting', 'active') AND due_at <= to_timestamp($1::bigint / 1000.0)
    ORDER BY due_at LIMIT $3::int FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE tidesync_qstash.message m SET state = 'active', lease_token = nextval('tidesync_qstash.lease_token_seq'),
        due_at = to_timestamp(($1::bigint + $2::int) / 1000.0)
    FROM due WHERE m.message_id = due.message_id
    RETURNING m.*
), logged AS (
    INSERT INTO tidesync_qstash.log (account, message_id, at, state)
    SELECT account, message_id, to_timestamp($1::bigint / 1000.0), 'ACTIVE' FROM taken
)
SELECT t.message_id, t.account, t.schedule_id, t.callback_of, t.options, encode(t.body, 'hex') AS body, t.caller_ip,
    t.retried, t.lease_token, a.current_key,
    (extract(epoch FROM t.created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM t.not_before) * 1000)::bigint AS not_before_ms,
    (extract(epoch FROM t.catch_up_of) * 1000)::bigint AS catch_up_ms
FROM taken t JOIN tidesync_qstash.account a USING (account);
