-- Takes messages whose attempt is due, and those whose attempt was lost with the process that made it.
-- $1 bigint  now, ms
-- $2 int     lease, ms
-- $3 int     rows at most
-- $4 text[]  the accounts that this process serves
-- $5 text[]  hosts that have all the attempts under way that one host may have
-- $6 int     rows at most for one host
-- $7 bigint  bytes of bodies at most; one message is taken whatever its size
-- Returns what an attempt needs; a row here is ours until its lease ends.
WITH near AS (   -- enough to choose from; locked below, since a window and a lock do not go together
    SELECT message_id, host, due_at, octet_length(body) AS bytes FROM tidesync_qstash.message
    WHERE state IN ('waiting', 'active') AND due_at <= to_timestamp($1::bigint / 1000.0)
        AND account = ANY ($4::text[]) AND host <> ALL ($5::text[])
    ORDER BY due_at LIMIT 500
), fair AS (
    SELECT message_id, due_at, bytes FROM (
        SELECT *, row_number() OVER (PARTITION BY host ORDER BY due_at, message_id) AS nth FROM near) numbered
    WHERE nth <= $6::int
), bounded AS (
    SELECT message_id FROM (
        SELECT *, sum(bytes) OVER (ORDER BY due_at, message_id) - bytes AS before FROM fair) summed
    WHERE before < $7::bigint
    ORDER BY due_at LIMIT $3::int
), due AS (
    SELECT m.message_id, m.cancel_requested FROM tidesync_qstash.message m JOIN bounded USING (message_id)
    WHERE m.state IN ('waiting', 'active') AND m.due_at <= to_timestamp($1::bigint / 1000.0)
    ORDER BY m.message_id FOR UPDATE OF m SKIP LOCKED
), taken AS (
    UPDATE tidesync_qstash.message m SET state = 'active', lease_token = nextval('tidesync_qstash.lease_token_seq'),
        due_at = to_timestamp(($1::bigint + $2::int) / 1000.0)
    FROM due WHERE m.message_id = due.message_id AND NOT due.cancel_requested
    RETURNING m.*
), canceled AS (   -- while an attempt was under way that then was lost
    UPDATE tidesync_qstash.message m SET state = 'canceled', lease_token = NULL,
        finished_at = to_timestamp($1::bigint / 1000.0)
    FROM due WHERE m.message_id = due.message_id AND due.cancel_requested
    RETURNING m.account, m.message_id
), logged AS (
    INSERT INTO tidesync_qstash.log (account, message_id, at, state)
    SELECT account, message_id, to_timestamp($1::bigint / 1000.0), 'ACTIVE' FROM taken
    UNION ALL
    SELECT account, message_id, to_timestamp($1::bigint / 1000.0), 'CANCELED' FROM canceled
)
SELECT t.message_id, t.account, t.schedule_id, t.callback_of, t.options, t.host, encode(t.body, 'hex') AS body,
    t.caller_ip, t.retried, t.lease_token, a.current_key,
    (extract(epoch FROM t.created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM t.not_before) * 1000)::bigint AS not_before_ms,
    (extract(epoch FROM t.catch_up_of) * 1000)::bigint AS catch_up_ms
FROM taken t JOIN tidesync_qstash.account a USING (account);
