-- $1 text     account
-- $2 bigint   only entries before this one (after it, for earliest first), or null
-- $3 int      rows at most
-- $4 jsonb    filter: states, urls, labels, schedule_ids as arrays of text; from_ms, to_ms
-- $5 boolean  earliest first
-- $6 text[]   of these messages only, or null
-- $7 bigint   bytes at most, give or take the last entry
-- $8 boolean  without bodies
-- Returns entries, each with its message, and how many were `found`: one more than asked for, where there are more.
-- The parameters are known when this is planned: what they leave out costs nothing, and either order follows an index.
SELECT entry_id, message_id, state, error, response_status, response_headers,
    encode(response_body, 'hex') AS response_body, schedule_id, options, encode(body, 'hex') AS body, found,
    (extract(epoch FROM at) * 1000)::bigint AS at_ms,
    (extract(epoch FROM next_delivery_at) * 1000)::bigint AS next_delivery_ms
FROM (
    SELECT page.*, count(*) OVER () AS found, row_number() OVER in_order AS nth, sum(bytes) OVER in_order - bytes AS before
    FROM (
        SELECT l.entry_id, l.message_id, l.at, l.state, l.error, l.next_delivery_at, l.response_status, l.response_headers,
            CASE WHEN NOT $8::boolean THEN l.response_body END AS response_body,
            m.schedule_id, m.options, CASE WHEN NOT $8::boolean THEN m.body END AS body,
            octet_length(m.options::text) + coalesce(octet_length(l.response_headers::text), 0)
                + CASE WHEN $8::boolean THEN 0 ELSE octet_length(m.body) + coalesce(octet_length(l.response_body), 0) END AS bytes
        FROM tidesync_qstash.log l JOIN tidesync_qstash.message m USING (message_id)
        WHERE l.account = $1
            AND ($2::bigint IS NULL OR CASE WHEN $5::boolean THEN l.entry_id > $2::bigint ELSE l.entry_id < $2::bigint END)
            AND ($6::text[] IS NULL OR l.message_id = ANY ($6::text[]))
            AND ($4::jsonb -> 'states' IS NULL OR $4::jsonb -> 'states' ? l.state)
            AND ($4::jsonb -> 'urls' IS NULL OR $4::jsonb -> 'urls' ? (m.options ->> 'destination'))
            AND ($4::jsonb -> 'schedule_ids' IS NULL OR $4::jsonb -> 'schedule_ids' ? m.schedule_id)
            AND ($4::jsonb -> 'labels' IS NULL
                OR m.options -> 'labels' ?| ARRAY(SELECT jsonb_array_elements_text($4::jsonb -> 'labels')))
            AND ($4::jsonb ->> 'from_ms' IS NULL OR l.at >= to_timestamp(($4::jsonb ->> 'from_ms')::bigint / 1000.0))
            AND ($4::jsonb ->> 'to_ms' IS NULL OR l.at <= to_timestamp(($4::jsonb ->> 'to_ms')::bigint / 1000.0))
        -- Of some messages: by an expression that no index has, else a long log might be walked for a few entries.
        ORDER BY CASE WHEN $6::text[] IS NOT NULL THEN CASE WHEN $5::boolean THEN l.entry_id + 0 ELSE -l.entry_id END END,
            CASE WHEN $6::text[] IS NULL AND $5::boolean THEN l.entry_id END,
            CASE WHEN $6::text[] IS NULL THEN l.entry_id END DESC
        LIMIT $3::int + 1) page
    WINDOW in_order AS (ORDER BY CASE WHEN $5::boolean THEN entry_id ELSE -entry_id END)) measured
WHERE nth <= $3::int AND before < $7::bigint
ORDER BY nth;
