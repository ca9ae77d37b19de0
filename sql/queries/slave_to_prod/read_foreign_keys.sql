-- Foreign keys between tables, the clones that PostgreSQL keeps for partitions left out. One that a partition has for
-- itself counts for the table it is part of.
SELECT con.conname AS name, con.condeferrable AS deferrable,
    CASE con.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END AS on_delete,
    cn.nspname AS child_schema, cc.relname AS child_table, pn.nspname AS parent_schema, pc.relname AS parent_table
FROM pg_constraint con
JOIN pg_class cc ON cc.oid = coalesce(pg_partition_root(con.conrelid), con.conrelid)
JOIN pg_namespace cn ON cn.oid = cc.relnamespace
JOIN pg_class pc ON pc.oid = coalesce(pg_partition_root(con.confrelid), con.confrelid)
JOIN pg_namespace pn ON pn.oid = pc.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0
ORDER BY cn.nspname, cc.relname, con.conname;
