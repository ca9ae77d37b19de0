-- Returns present boolean: whether `tidesync migrate` ever ran in this database.
SELECT to_regclass('tidesync.schema_version') IS NOT NULL AS present;
