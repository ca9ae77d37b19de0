-- Whether a role is there.
-- $1 name
-- Returns present boolean; one row.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS present;
