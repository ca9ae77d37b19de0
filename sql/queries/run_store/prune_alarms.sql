-- Forgets old alarms, sent or not.
-- $1 int  days that an alarm is kept
-- $2 int  rows at most
-- Returns forgotten int.
WITH forgotten AS (
    DELETE FROM tidesync.alarm WHERE alarm_id IN (
        SELECT alarm_id FROM tidesync.alarm WHERE made_at < clock_timestamp() - make_interval(days => $1::int)
        ORDER BY made_at LIMIT $2::int FOR UPDATE SKIP LOCKED)
    RETURNING alarm_id)
SELECT count(*)::int AS forgotten FROM forgotten;
