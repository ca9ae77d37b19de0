-- Foreign keys between tables, the clones that PostgreSQL keeps for partitions left out. One that a partition has for
-- itself counts for the table it is part of.
-- Returns name, deferrable, on_delete (what it does to the child's rows; null when they stand in the way), columns and
-- parent_columns: JSON arrays in one order, operators: `parent = child` for each, child_schema, child_table, parent_schema,
-- parent_table.
SELECT con.conname AS name, con.condeferrable AS deferrable,
    CASE con.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END AS on_delete,
    (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(con.conkey) WITH ORDINALITY AS k (attnum, n)
     JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.attnum) AS columns,
    (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(con.confkey) WITH ORDINALITY AS k (attnum, n)
     JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.attnum) AS parent_columns,
    (SELECT json_agg('OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')' ORDER BY k.n)
     FROM unnest(con.conpfeqop) WITH ORDINALITY AS k (operator, n)
     JOIN pg_operator o ON o.oid = k.operator JOIN pg_namespace n ON n.oid = o.oprnamespace) AS operators,
    cn.nspname AS child_schema, cc.relname AS child_table, pn.nspname AS parent_schema, pc.relname AS parent_table
FROM pg_constraint con
JOIN pg_class cc ON cc.oid = coalesce(pg_partition_root(con.conrelid), con.conrelid)
JOIN pg_namespace cn ON cn.oid = cc.relnamespace
JOIN pg_class pc ON pc.oid = coalesce(pg_partition_root(con.confrelid), con.confrelid)
JOIN pg_namespace pn ON pn.oid = pc.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0
ORDER BY cn.nspname, cc.relname, con.conname;
