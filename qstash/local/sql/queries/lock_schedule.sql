-- $1 text  account
-- $2 text  schedule id
-- Returns cron, paused; no row for an unknown one.
SELECT cron, paused FROM tidesync_qstash.schedule WHERE account = $1 AND schedule_id = $2 FOR UPDATE;
