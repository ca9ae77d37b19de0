-- $1 text[]  the accounts that this process serves
-- Returns due_ms bigint: when the next tick or attempt is due, null when nothing waits.
SELECT (extract(epoch FROM least(
    (SELECT min(due_at) FROM tidesync_qstash.message
     WHERE state IN ('waiting', 'active') AND account = ANY ($1::text[])),
    (SELECT min(next_at) FROM tidesync_qstash.schedule WHERE NOT paused AND account = ANY ($1::text[])))) * 1000)::bigint
    AS due_ms;
