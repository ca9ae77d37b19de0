-- $1 text    account
-- $2 bigint  only entries with a number below this one, or null
-- $3 int     rows at most
-- $4 jsonb   filter: dlq_ids, message_ids, urls, labels, schedule_ids as arrays of text; status; from_ms, to_ms
-- Returns dead messages, newest first.
SELECT dlq_id, message_id, schedule_id, options, encode(body, 'hex') AS body, caller_ip, response_status,
    response_headers, encode(response_body, 'hex') AS response_body,
    (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM not_before) * 1000)::bigint AS not_before_ms
FROM tidesync_qstash.message
WHERE account = $1 AND dlq_id IS NOT NULL
    AND ($2::bigint IS NULL OR split_part(dlq_id, '-', 2)::bigint < $2::bigint)
    AND ($4::jsonb -> 'dlq_ids' IS NULL OR $4::jsonb -> 'dlq_ids' ? dlq_id)
    AND ($4::jsonb -> 'message_ids' IS NULL OR $4::jsonb -> 'message_ids' ? message_id)
    AND ($4::jsonb -> 'urls' IS NULL OR $4::jsonb -> 'urls' ? (options ->> 'destination'))
    AND ($4::jsonb -> 'schedule_ids' IS NULL OR $4::jsonb -> 'schedule_ids' ? schedule_id)
    AND ($4::jsonb -> 'labels' IS NULL
        OR options -> 'labels' ?| ARRAY(SELECT jsonb_array_elements_text($4::jsonb -> 'labels')))
    AND ($4::jsonb ->> 'status' IS NULL OR response_status = ($4::jsonb ->> 'status')::int)
    AND ($4::jsonb ->> 'from_ms' IS NULL OR created_at >= to_timestamp(($4::jsonb ->> 'from_ms')::bigint / 1000.0))
    AND ($4::jsonb ->> 'to_ms' IS NULL OR created_at <= to_timestamp(($4::jsonb ->> 'to_ms')::bigint / 1000.0))
ORDER BY split_part(dlq_id, '-', 2)::bigint DESC LIMIT $3::int;
