-- $1 bigint  now, ms
-- $2 int     rows at most
-- $3 text[]  the accounts that this process serves
-- Returns schedules with a tick that is due. Two replicas share them instead of queueing.
SELECT account, schedule_id, cron, options, encode(body, 'hex') AS body, delay_s, caller_ip,
    (extract(epoch FROM next_at) * 1000)::bigint AS next_ms
FROM tidesync_qstash.schedule
WHERE NOT paused AND next_at <= to_timestamp($1::bigint / 1000.0) AND account = ANY ($3::text[])
ORDER BY next_at LIMIT $2::int FOR UPDATE SKIP LOCKED;
