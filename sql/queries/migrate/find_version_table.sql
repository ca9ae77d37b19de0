-- $1 text  tidesync.schema_version or tidesync_qstash.schema_version
-- Returns present boolean: whether `tidesync migrate` ever made this part in this database.
SELECT to_regclass($1) IS NOT NULL AS present;
