-- Messages that it made already go on.
-- $1 text  account
-- $2 text  schedule id
-- Returns schedule_id; no row for an unknown one.
DELETE FROM tidesync_qstash.schedule WHERE account = $1 AND schedule_id = $2 RETURNING schedule_id;
