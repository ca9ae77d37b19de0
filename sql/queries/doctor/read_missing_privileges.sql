-- What a role lacks in Tidesync's own schemas. What is only ever added to is never changed: receipts and the audit.
-- $1 text  production, run_store or scheduler
-- $2 name  the role; null for the one that asks
-- Returns missing text: `INSERT on tidesync.run`, in order.
WITH part AS (
    SELECT coalesce($2::name, current_user) AS role,
        CASE WHEN $1 = 'scheduler' THEN 'tidesync_qstash' ELSE 'tidesync' END AS schema
), wanted (role, object, privileges) AS (
    SELECT role, c.oid, CASE
        WHEN c.relkind = 'v' OR c.relname = 'schema_version' THEN ARRAY['SELECT']
        WHEN c.relname IN ('applied', 'audit') THEN ARRAY['SELECT', 'INSERT']
        WHEN c.relname = 'fence' THEN ARRAY['SELECT', 'INSERT', 'UPDATE']
        ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END
    FROM part JOIN pg_class c ON c.relnamespace = to_regnamespace(schema) AND c.relkind IN ('r', 'p', 'v')
    WHERE $1 = 'scheduler' OR c.relname = 'schema_version' -- every part has one, wherever it is
        OR (c.relname IN ('fence', 'applied')) = ($1 = 'production')
)
SELECT privilege || ' on ' || object::regclass AS missing
FROM wanted, unnest(privileges) AS privilege WHERE NOT has_table_privilege(role, object, privilege)
UNION ALL
SELECT 'USAGE on sequence ' || oid::regclass FROM part JOIN pg_class ON relnamespace = to_regnamespace(schema)
WHERE relkind = 'S' AND $1 <> 'production'
  AND CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(role, oid, 'USAGE') ELSE false END   -- in this order
UNION ALL
SELECT privilege || ' on schema ' || name
FROM part, (VALUES ('tidesync', 'USAGE'), ('tidesync_qstash', 'USAGE'), ('tidesync_staging', 'USAGE'),
    ('tidesync_staging', 'CREATE')) AS s (name, privilege)
WHERE (name = schema OR (name = 'tidesync_staging' AND $1 = 'production')) AND to_regnamespace(name) IS NOT NULL
  AND NOT has_schema_privilege(role, name, privilege)
ORDER BY missing;
