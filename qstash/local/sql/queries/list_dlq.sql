-- $1 text     account
-- $2 bigint   only entries before this time, ms, or null
-- $3 text     at that very time: only those of messages with a lower id than this
-- $4 int      rows at most
-- $5 jsonb    filter: urls, labels, schedule_ids, caller_ips as arrays of text; status; from_ms, to_ms
-- $6 text[]   with these dlq ids only, or null
-- $7 text[]   of these messages only, or null
-- $8 bigint   bytes at most, give or take the last entry
-- $9 boolean  without bodies
-- Returns dead messages, newest first, and how many were `found`: one more than asked for, where there are more.
SELECT dlq_id, message_id, schedule_id, options, encode(body, 'hex') AS body, caller_ip, response_status,
    response_headers, encode(response_body, 'hex') AS response_body, found,
    (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM not_before) * 1000)::bigint AS not_before_ms,
    (extract(epoch FROM finished_at) * 1000)::bigint AS finished_ms
FROM (
    SELECT page.*, count(*) OVER () AS found, row_number() OVER in_order AS nth, sum(bytes) OVER in_order - bytes AS before
    FROM (
        SELECT dlq_id, message_id, schedule_id, options, caller_ip, response_status, response_headers, created_at,
            not_before, finished_at, CASE WHEN NOT $9::boolean THEN body END AS body,
            CASE WHEN NOT $9::boolean THEN response_body END AS response_body,
            octet_length(options::text) + coalesce(octet_length(response_headers::text), 0)
                + CASE WHEN $9::boolean THEN 0 ELSE octet_length(body) + coalesce(octet_length(response_body), 0) END AS bytes
        FROM tidesync_qstash.message
        WHERE account = $1 AND dlq_id IS NOT NULL
            AND ($2::bigint IS NULL OR (finished_at, message_id) < (to_timestamp($2::bigint / 1000.0), $3::text))
            AND ($6::text[] IS NULL OR dlq_id = ANY ($6::text[]))
            AND ($7::text[] IS NULL OR message_id = ANY ($7::text[]))
            AND ($5::jsonb -> 'urls' IS NULL OR $5::jsonb -> 'urls' ? (options ->> 'destination'))
            AND ($5::jsonb -> 'schedule_ids' IS NULL OR $5::jsonb -> 'schedule_ids' ? schedule_id)
            AND ($5::jsonb -> 'caller_ips' IS NULL OR $5::jsonb -> 'caller_ips' ? caller_ip)
            AND ($5::jsonb -> 'labels' IS NULL
                OR options -> 'labels' ?| ARRAY(SELECT jsonb_array_elements_text($5::jsonb -> 'labels')))
            AND ($5::jsonb ->> 'status' IS NULL OR coalesce(response_status, 0) = ($5::jsonb ->> 'status')::bigint)
            AND ($5::jsonb ->> 'from_ms' IS NULL OR created_at >= to_timestamp(($5::jsonb ->> 'from_ms')::bigint / 1000.0))
            AND ($5::jsonb ->> 'to_ms' IS NULL OR created_at <= to_timestamp(($5::jsonb ->> 'to_ms')::bigint / 1000.0))
        ORDER BY finished_at DESC, message_id DESC LIMIT $4::int + 1) page
    WINDOW in_order AS (ORDER BY finished_at DESC, message_id DESC)) measured
WHERE nth <= $4::int AND before < $8::bigint
ORDER BY nth;
