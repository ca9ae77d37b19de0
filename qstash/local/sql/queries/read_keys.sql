-- $1 text  account
-- Returns current_key, next_key.
SELECT current_key, next_key FROM tidesync_qstash.account WHERE account = $1;
