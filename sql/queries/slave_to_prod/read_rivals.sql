-- What two rows cannot have in common: every valid unique index and exclusion constraint, also partial ones, over
-- expressions, and with columns that may be null. Those of a partition count for the table it belongs to.
-- Returns schema_name, table_name, index_name, excludes bool (an exclusion constraint), nulls_distinct bool (two nulls
-- have nothing in common), columns: JSON array of the columns that it hangs on, keys: of those that its keys are made of; a
-- column that only its condition mentions is none, and for a generated column also those count that it is computed from.
SELECT n.nspname AS schema_name, c.relname AS table_name, ic.relname AS index_name, i.indisexclusion AS excludes,
    i.indisexclusion OR NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_distinct,
    json_agg(a.attname ORDER BY a.attnum) AS columns,
    coalesce(json_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
        OR a.attnum = ANY (computed.bases)
        OR EXISTS (SELECT FROM generate_series(1, i.indnkeyatts) AS k    -- mentioned by an expression
                   WHERE i.indkey[k - 1] = 0 AND pg_get_indexdef(i.indexrelid, k, true)
                       ~ ('(^|[^[:alnum:]_"$])' || regexp_replace(quote_ident(a.attname), '([^[:alnum:]_ ])', '\\\1', 'g')
                          || '($|[^[:alnum:]_"$])'))), '[]') AS keys
FROM pg_index i
JOIN pg_class own ON own.oid = i.indrelid
JOIN pg_class c ON c.oid = coalesce(pg_partition_root(own.oid), own.oid) AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
JOIN pg_class ic ON ic.oid = i.indexrelid
LEFT JOIN LATERAL (
    SELECT array_agg(d.refobjsubid) AS bases
    FROM pg_attribute g
    JOIN pg_attrdef f ON f.adrelid = g.attrelid AND f.adnum = g.attnum
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid AND d.refobjsubid > 0
        AND d.refobjsubid <> g.attnum
        AND (d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid     -- which of the two depends on them has changed
             OR d.classid = 'pg_class'::regclass AND d.objid = own.oid AND d.objsubid = g.attnum)
    WHERE g.attrelid = own.oid AND g.attgenerated <> '' AND g.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
) AS computed ON true
JOIN pg_attribute a ON a.attrelid = own.oid AND a.attnum > 0 AND (
    a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
    OR a.attnum = ANY (computed.bases)
    OR EXISTS (SELECT FROM pg_depend d          -- columns that expressions and conditions mention
               WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid AND d.refobjsubid = a.attnum
                 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)))
WHERE (i.indisunique OR i.indisexclusion) AND i.indisvalid
  AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)   -- its parent index stands for it
GROUP BY n.nspname, c.relname, ic.relname, i.indisexclusion, i.indexrelid, 5
ORDER BY n.nspname, c.relname, ic.relname;
