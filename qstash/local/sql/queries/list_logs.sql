-- $1 text    account
-- $2 bigint  only entries before this one (after it, for earliest first), or null
-- $3 int     rows at most
-- $4 jsonb   filter: message_ids, states, urls, labels, schedule_ids as arrays of text; from_ms, to_ms
-- $5 boolean  earliest first
-- Returns entries, each with its message.
SELECT l.entry_id, l.message_id, l.state, l.error, l.response_status, l.response_headers,
    encode(l.response_body, 'hex') AS response_body, m.schedule_id, m.options, encode(m.body, 'hex') AS body,
    (extract(epoch FROM l.at) * 1000)::bigint AS at_ms,
    (extract(epoch FROM l.next_delivery_at) * 1000)::bigint AS next_delivery_ms
FROM tidesync_qstash.log l JOIN tidesync_qstash.message m USING (message_id)
WHERE l.account = $1
    AND ($2::bigint IS NULL OR CASE WHEN $5::boolean THEN l.entry_id > $2::bigint ELSE l.entry_id < $2::bigint END)
    AND ($4::jsonb -> 'message_ids' IS NULL OR $4::jsonb -> 'message_ids' ? l.message_id)
    AND ($4::jsonb -> 'states' IS NULL OR $4::jsonb -> 'states' ? l.state)
    AND ($4::jsonb -> 'urls' IS NULL OR $4::jsonb -> 'urls' ? (m.options ->> 'destination'))
    AND ($4::jsonb -> 'schedule_ids' IS NULL OR $4::jsonb -> 'schedule_ids' ? m.schedule_id)
    AND ($4::jsonb -> 'labels' IS NULL
        OR m.options -> 'labels' ?| ARRAY(SELECT jsonb_array_elements_text($4::jsonb -> 'labels')))
    AND ($4::jsonb ->> 'from_ms' IS NULL OR l.at >= to_timestamp(($4::jsonb ->> 'from_ms')::bigint / 1000.0))
    AND ($4::jsonb ->> 'to_ms' IS NULL OR l.at <= to_timestamp(($4::jsonb ->> 'to_ms')::bigint / 1000.0))
ORDER BY CASE WHEN $5::boolean THEN l.entry_id ELSE -l.entry_id END LIMIT $3::int;
