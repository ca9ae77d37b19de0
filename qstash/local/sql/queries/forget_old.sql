-- Messages that are over, with their logs, and dead letters. A batch at a time, so that no lock is held for long.
-- $1 bigint  now, ms
-- $2 int     kept for, s
-- $3 int     rows at most
WITH old AS (
    SELECT message_id FROM tidesync_qstash.message
    WHERE finished_at < to_timestamp($1::bigint / 1000.0) - make_interval(secs => $2::int)
    LIMIT $3::int FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM tidesync_qstash.deduplication WHERE expires_at < to_timestamp($1::bigint / 1000.0)
)
DELETE FROM tidesync_qstash.message m USING old WHERE m.message_id = old.message_id;
