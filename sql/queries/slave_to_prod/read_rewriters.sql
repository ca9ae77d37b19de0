-- What can keep a row from landing, or from staying, as it was sent: enabled triggers of people that an insert or update
-- fires, and rules. Those of a partition count for the table it belongs to.
-- Returns schema_name, table_name, names text: what they are called, separated by commas.
SELECT n.nspname AS schema_name, c.relname AS table_name, string_agg(DISTINCT found.what, ', ') AS names
FROM (
    SELECT tgrelid AS relation, 'trigger ' || tgname AS what FROM pg_trigger
    WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')
      AND tgtype & 20 <> 0                             -- insert or update
    UNION ALL
    SELECT ev_class, 'rule ' || rulename FROM pg_rewrite
    WHERE ev_type IN ('2', '3') AND ev_enabled IN ('O', 'A')
) AS found
JOIN pg_class c ON c.oid = coalesce(pg_partition_root(found.relation), found.relation) AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
GROUP BY n.nspname, c.relname;
