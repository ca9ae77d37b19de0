-- Tables whose row level security applies to this role: rows may be hidden from it.
-- Returns schema_name, table_name.
SELECT n.nspname AS schema_name, c.relname AS table_name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND n.nspname !~ '^pg_' AND row_security_active(c.oid)
ORDER BY 1, 2;
