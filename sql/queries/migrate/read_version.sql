-- $1 text  run_store or production
-- Returns version int: the highest numbered file that ran, 0 for none.
SELECT coalesce(max(version), 0) AS version FROM tidesync.schema_version WHERE part = $1;
