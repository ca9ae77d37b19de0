-- $1 text  message id
-- Returns all but the body, which copy_message.sql takes over by itself.
SELECT message_id, schedule_id, options, caller_ip, NULL AS body FROM tidesync_qstash.message WHERE message_id = $1;
