-- $1 text  account
-- $2 text  a schedule that does not count, because it is about to be replaced
-- Returns schedules bigint.
SELECT count(*) AS schedules FROM tidesync_qstash.schedule WHERE account = $1 AND schedule_id <> $2;
