-- Every unique key that can tell rows apart: valid, whole (not partial, no expressions), all columns NOT NULL.
-- Returns columns and operators as JSON arrays of text, in the index's order; an operator is the index's own equality,
-- written so that no search_path can change it.
SELECT n.nspname AS schema_name, c.relname AS table_name, ic.relname AS index_name, i.indisprimary AS is_primary,
    i.indimmediate AS immediate,
    json_agg(a.attname ORDER BY k.ord) AS columns,
    json_agg('OPERATOR(' || quote_ident(opn.nspname) || '.' || op.oprname || ')' ORDER BY k.ord) AS operators
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k (attnum, opclass, ord)
    ON k.ord <= i.indnkeyatts
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
JOIN pg_opclass oc ON oc.oid = k.opclass
JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
    AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
JOIN pg_operator op ON op.oid = ao.amopopr
JOIN pg_namespace opn ON opn.oid = op.oprnamespace
WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY n.nspname, c.relname, ic.relname, i.indisprimary, i.indimmediate, i.indnkeyatts
HAVING bool_and(a.attnotnull) AND count(*) = i.indnkeyatts
ORDER BY n.nspname, c.relname, i.indisprimary DESC, i.indnkeyatts, ic.relname;
