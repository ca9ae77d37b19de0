-- Forgets old alarms, sent or not, and old word of deliveries that failed for no run that is known. The others go with
-- their runs.
-- $1 int  days that an alarm is kept
-- $2 int  rows at most
-- Returns forgotten int.
WITH forgotten AS (
    DELETE FROM tidesync.alarm WHERE alarm_id IN (
        SELECT alarm_id FROM tidesync.alarm WHERE made_at < clock_timestamp() - make_interval(days => $1::int)
        ORDER BY made_at LIMIT $2::int FOR UPDATE SKIP LOCKED)
    RETURNING alarm_id
), without_run AS (
    DELETE FROM tidesync.delivery_alarm WHERE ctid IN (
        SELECT ctid FROM tidesync.delivery_alarm
        WHERE run_id IS NULL AND received_at < clock_timestamp() - make_interval(days => $1::int)
        LIMIT $2::int FOR UPDATE SKIP LOCKED)
    RETURNING 1
)
SELECT greatest((SELECT count(*) FROM forgotten), (SELECT count(*) FROM without_run))::int AS forgotten;
