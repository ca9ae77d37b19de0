-- $1 text   account
-- $2 jsonb  dlq ids
-- Returns the messages that were in there; from now on they are not.
WITH taken AS (
    SELECT message_id, dlq_id FROM tidesync_qstash.message
    WHERE account = $1 AND $2::jsonb ? dlq_id FOR UPDATE
)
UPDATE tidesync_qstash.message m SET dlq_id = NULL FROM taken WHERE m.message_id = taken.message_id
RETURNING taken.dlq_id, m.message_id, m.schedule_id, m.options, encode(m.body, 'hex') AS body, m.caller_ip;
