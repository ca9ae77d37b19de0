-- $1 text    account
-- $2 text    schedule id
-- $3 bigint  when its message was made, ms, or null when the ticks were too old to be made up for
-- $4 bigint  next tick, ms, or null
UPDATE tidesync_qstash.schedule
SET last_at = coalesce(to_timestamp($3::bigint / 1000.0), last_at), next_at = to_timestamp($4::bigint / 1000.0)
WHERE account = $1 AND schedule_id = $2;
