-- Messages that are over, with their logs, and dead letters. A batch at a time, so that no lock is held for long.
-- $1 bigint  now, ms
-- $2 int     kept for, s
-- $3 int     rows at most
-- Returns forgotten bigint: as many as $3 mean that there may be more.
WITH old AS (
    SELECT message_id FROM tidesync_qstash.message
    WHERE finished_at < to_timestamp($1::bigint / 1000.0) - make_interval(secs => $2::int)
    ORDER BY finished_at LIMIT $3::int FOR UPDATE SKIP LOCKED
), messages AS (
    DELETE FROM tidesync_qstash.message m USING old WHERE m.message_id = old.message_id RETURNING 1
), expired AS (
    SELECT account, deduplication_id FROM tidesync_qstash.deduplication
    WHERE expires_at < to_timestamp($1::bigint / 1000.0)
    ORDER BY expires_at LIMIT $3::int FOR UPDATE SKIP LOCKED
), deduplications AS (
    DELETE FROM tidesync_qstash.deduplication d USING expired e
    WHERE (d.account, d.deduplication_id) = (e.account, e.deduplication_id) RETURNING 1
)
SELECT greatest((SELECT count(*) FROM messages), (SELECT count(*) FROM deduplications)) AS forgotten;
