-- Remembers a message that QStash gave up. Its run is found where the message had reached us. The first report of a
-- message counts: QStash repeats a callback whose answer was lost.
-- $1 text  message id
-- $2 text  schedule id
-- $3 text  URL
-- $4 text  method
-- $5 text  id in the dead letter queue
-- $6 int   status of the last try, or null
-- $7 int   how often it was tried again, or null
-- $8 int   how often it would have been at most, or null
-- $9 text  start of the last answer
-- Returns run_id uuid; no row when the message had its alarm already.
INSERT INTO tidesync.delivery_alarm
    (source_message_id, schedule_id, url, method, dlq_id, status, retried, max_retries, response, run_id)
VALUES ($1, $2, $3, $4, $5, $6::int, $7::int, $8::int, $9,
    (SELECT run_id FROM tidesync.message WHERE source = 'qstash' AND message_id = $1))
ON CONFLICT DO NOTHING
RETURNING run_id;
