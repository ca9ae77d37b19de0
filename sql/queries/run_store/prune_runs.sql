-- Forgets runs that ended long ago, with all that belongs to them. A delivery of one of their messages would make a new
-- run; no queue keeps a message that long.
-- $1 int  days that a run is kept
-- $2 int  days that a dead one is
-- $3 int  runs at most
-- Returns forgotten int.
WITH old AS (
    SELECT run_id FROM tidesync.run r
    WHERE finished_at < clock_timestamp() - make_interval(days => CASE state WHEN 'dead' THEN $2::int ELSE $1::int END)
      AND finished_at < clock_timestamp() - make_interval(days => least($1::int, $2::int))
      AND NOT EXISTS (SELECT FROM tidesync.run newer WHERE newer.retry_of = r.run_id)   -- first what came of it
      AND NOT EXISTS (SELECT FROM tidesync.run stopped WHERE stopped.run_id = r.approves)   -- or it were used twice
    ORDER BY finished_at LIMIT $3::int FOR UPDATE SKIP LOCKED
), messages AS (
    DELETE FROM tidesync.message WHERE run_id IN (SELECT run_id FROM old)
), attempts AS (
    DELETE FROM tidesync.attempt WHERE run_id IN (SELECT run_id FROM old)
), alarms AS (
    DELETE FROM tidesync.delivery_alarm WHERE run_id IN (SELECT run_id FROM old)
), forgotten AS (
    DELETE FROM tidesync.run WHERE run_id IN (SELECT run_id FROM old) RETURNING run_id
)
SELECT count(*)::int AS forgotten FROM forgotten;
