-- Returns present boolean: whether the schema for staging tables is there. It may be dropped at any time, so no version
-- number can tell.
SELECT to_regnamespace('tidesync_staging') IS NOT NULL AS present;
