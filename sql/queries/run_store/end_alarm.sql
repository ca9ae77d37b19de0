-- The receiver has it.
-- $1 uuid  alarm
UPDATE tidesync.alarm SET sent_at = clock_timestamp(), given_up_at = NULL, error = NULL
WHERE alarm_id = $1::uuid AND sent_at IS NULL;
