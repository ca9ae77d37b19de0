-- A waiting message is canceled at once. One that is being delivered is not tried again after that attempt.
-- $1 text    account
-- $2 bigint  now, ms
-- $3 int     rows at most
-- $4 jsonb   filter: urls, labels, schedule_ids, caller_ips as arrays of text; from_ms, to_ms
-- $5 text[]  these messages only, or null
-- Returns message_id of each.
WITH chosen AS (
    SELECT message_id FROM tidesync_qstash.message
    WHERE account = $1 AND state IN ('waiting', 'active') AND NOT cancel_requested
        AND ($5::text[] IS NULL OR message_id = ANY ($5::text[]))
        AND ($4::jsonb -> 'urls' IS NULL OR $4::jsonb -> 'urls' ? (options ->> 'destination'))
        AND ($4::jsonb -> 'schedule_ids' IS NULL OR $4::jsonb -> 'schedule_ids' ? schedule_id)
        AND ($4::jsonb -> 'caller_ips' IS NULL OR $4::jsonb -> 'caller_ips' ? caller_ip)
        AND ($4::jsonb -> 'labels' IS NULL
            OR options -> 'labels' ?| ARRAY(SELECT jsonb_array_elements_text($4::jsonb -> 'labels')))
        AND ($4::jsonb ->> 'from_ms' IS NULL OR created_at >= to_timestamp(($4::jsonb ->> 'from_ms')::bigint / 1000.0))
        AND ($4::jsonb ->> 'to_ms' IS NULL OR created_at <= to_timestamp(($4::jsonb ->> 'to_ms')::bigint / 1000.0))
    -- By their ids they are found by these, whatever else is due; the case that is not asked for falls away in planning.
    ORDER BY CASE WHEN $5::text[] IS NULL THEN due_at END, CASE WHEN $5::text[] IS NOT NULL THEN message_id END LIMIT $3::int FOR UPDATE
), changed AS (
    UPDATE tidesync_qstash.message m SET
        cancel_requested = true,
        state = CASE m.state WHEN 'waiting' THEN 'canceled' ELSE m.state END,
        finished_at = CASE m.state WHEN 'waiting' THEN to_timestamp($2::bigint / 1000.0) END
    WHERE m.message_id = ANY (ARRAY(SELECT message_id FROM chosen)) -- an array, so that the index is used for any number
    RETURNING m.message_id, m.account, m.state
), logged AS (
    INSERT INTO tidesync_qstash.log (account, message_id, at, state)
    SELECT account, message_id, to_timestamp($2::bigint / 1000.0), entry.state
    FROM changed CROSS JOIN LATERAL (
        VALUES (1, 'CANCEL_REQUESTED'), (2, CASE changed.state WHEN 'canceled' THEN 'CANCELED' END)) entry (n, state)
    WHERE entry.state IS NOT NULL
    ORDER BY message_id, entry.n
)
SELECT message_id FROM changed;
