-- $1 text     account
-- $2 text     schedule id
-- $3 boolean  paused
-- $4 bigint   next tick, ms, or null. Ticks that passed during the pause are dropped, so it lies in the future
UPDATE tidesync_qstash.schedule SET paused = $3::boolean, next_at = to_timestamp($4::bigint / 1000.0)
WHERE account = $1 AND schedule_id = $2;
