-- $1 text    account
-- $2 text[]  dlq ids
-- Returns message_id of each that was in there; from now on they are not.
WITH taken AS (
    SELECT message_id FROM tidesync_qstash.message
    WHERE account = $1 AND dlq_id = ANY ($2::text[]) ORDER BY message_id FOR UPDATE
)
UPDATE tidesync_qstash.message SET dlq_id = NULL
WHERE message_id = ANY (ARRAY(SELECT message_id FROM taken)) -- an array, so that the index is used for any number
RETURNING message_id;
