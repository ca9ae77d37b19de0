-- Gives up alarms of which nobody could be told for a day.
-- $1 int  rows at most
-- Returns alarm_id, type, tries, error.
UPDATE tidesync.alarm SET given_up_at = clock_timestamp()
WHERE alarm_id IN (
    SELECT alarm_id FROM tidesync.alarm
    WHERE sent_at IS NULL AND given_up_at IS NULL AND made_at <= clock_timestamp() - interval '1 day'
      AND next_try_at <= clock_timestamp()
    ORDER BY next_try_at LIMIT $1::int FOR UPDATE SKIP LOCKED)
RETURNING alarm_id, type, tries, error;
