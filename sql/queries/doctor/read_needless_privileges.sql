-- What this role may do in schema tidesync beyond what runs need.
-- Returns owner boolean: it may change the tables themselves; rewritable text: append-only tables whose rows it may
-- change or delete, null for none.
SELECT coalesce(bool_or(pg_has_role(relowner, 'USAGE')), false) AS owner,
    string_agg(oid::regclass::text, ', ' ORDER BY relname) FILTER (
        WHERE relname IN ('applied', 'audit') AND (has_table_privilege(oid, 'UPDATE')
            OR has_table_privilege(oid, 'DELETE') OR has_table_privilege(oid, 'TRUNCATE'))) AS rewritable
FROM pg_class WHERE relnamespace = to_regnamespace('tidesync') AND relkind IN ('r', 'p');
