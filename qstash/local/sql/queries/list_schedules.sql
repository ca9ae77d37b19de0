-- $1 text    account
-- $2 text    schedule id, or null for all
-- $3 bigint  only those created after this time, ms, or null
-- $4 text    at that very time: only those with a higher id than this
-- $5 int     rows at most
-- $6 int     a body with more bytes is left out, null for none
-- Returns one row per schedule, oldest first; `states` holds the messages of the last tick.
SELECT schedule_id, cron, options,
    CASE WHEN $6::int IS NULL OR octet_length(body) <= $6::int THEN encode(body, 'hex') END AS body,
    delay_s, caller_ip, paused,
    (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM next_at) * 1000)::bigint AS next_ms,
    (extract(epoch FROM last_at) * 1000)::bigint AS last_ms,
    (SELECT jsonb_object_agg(m.message_id,
            CASE m.state WHEN 'delivered' THEN 'SUCCESS' WHEN 'failed' THEN 'FAIL' WHEN 'canceled' THEN 'FAIL'
                ELSE 'IN_PROGRESS' END)
     FROM tidesync_qstash.message m
     WHERE m.account = s.account AND m.schedule_id = s.schedule_id AND m.created_at >= s.last_at) AS states
FROM tidesync_qstash.schedule s
WHERE account = $1 AND ($2::text IS NULL OR schedule_id = $2)
    AND ($3::bigint IS NULL OR (created_at, schedule_id) > (to_timestamp($3::bigint / 1000.0), $4::text))
ORDER BY s.created_at, schedule_id LIMIT $5::int;
