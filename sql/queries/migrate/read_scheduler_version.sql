-- $1 text  scheduler
-- Returns version int: the highest numbered file that ran, 0 for none.
SELECT coalesce(max(version), 0) AS version FROM tidesync_qstash.schema_version WHERE part = $1;
