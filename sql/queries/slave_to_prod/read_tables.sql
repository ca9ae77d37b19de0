-- How large each table is with its TOAST, partitions included, and whether its rows have places: whether ctid tells them
-- apart within one snapshot, which holds for PostgreSQL's own heap and not for foreign tables or other access methods.
-- Returns schema_name, table_name, bytes bigint, rows_have_places bool.
SELECT n.nspname AS schema_name, c.relname AS table_name,
    coalesce(sum(pg_table_size(leaf.oid)), 0)::bigint AS bytes,
    coalesce(bool_and(l.relkind = 'r' AND m.amname = 'heap'), true) AS rows_have_places
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
LEFT JOIN LATERAL (
    SELECT c.oid WHERE c.relkind = 'r'
    UNION ALL
    SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf AND c.relkind = 'p' AND relid <> c.oid
) AS leaf ON true
LEFT JOIN pg_class l ON l.oid = leaf.oid
LEFT JOIN pg_am m ON m.oid = l.relam
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
GROUP BY n.nspname, c.relname;
