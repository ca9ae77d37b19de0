-- Messages that QStash gave up lately.
-- $1 int  days back
-- Returns alarms int.
SELECT count(*)::int AS alarms FROM tidesync.delivery_alarm
WHERE received_at > clock_timestamp() - make_interval(days => $1::int);
