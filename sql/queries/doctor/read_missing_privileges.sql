-- What this role lacks in Tidesync's own schemas. What is only ever added to is never changed: receipts and the audit.
-- $1 text  production or run_store
-- Returns missing text: `INSERT on tidesync.run`, in order.
WITH wanted (object, privileges) AS (
    SELECT c.oid, CASE
        WHEN c.relkind = 'v' OR c.relname = 'schema_version' THEN ARRAY['SELECT']
        WHEN c.relname IN ('applied', 'audit') THEN ARRAY['SELECT', 'INSERT']
        WHEN c.relname = 'fence' THEN ARRAY['SELECT', 'INSERT', 'UPDATE']
        ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('tidesync') AND c.relkind IN ('r', 'p', 'v')
      AND (c.relname IN ('fence', 'applied')) = ($1 = 'production')
)
SELECT privilege || ' on ' || object::regclass AS missing
FROM wanted, unnest(privileges) AS privilege WHERE NOT has_table_privilege(object, privilege)
UNION ALL
SELECT 'USAGE on sequence ' || oid::regclass FROM pg_class
WHERE relnamespace = to_regnamespace('tidesync') AND relkind = 'S' AND $1 = 'run_store'
  AND CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(oid, 'USAGE') ELSE false END   -- in this order
UNION ALL
SELECT privilege || ' on schema ' || name
FROM (VALUES ('tidesync', 'USAGE'), ('tidesync_staging', 'USAGE'), ('tidesync_staging', 'CREATE')) AS s (name, privilege)
WHERE (name = 'tidesync' OR $1 = 'production') AND to_regnamespace(name) IS NOT NULL
  AND NOT has_schema_privilege(name, privilege)
ORDER BY missing;
