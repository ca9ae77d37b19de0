-- Sequences that feed a column of numbers and count upwards without starting over: those that a column owns (serial or
-- identity), and those that its default draws from.
SELECT n.nspname AS schema_name, c.relname AS table_name, a.attname AS column_name,
    quote_ident(sn.nspname) || '.' || quote_ident(sc.relname) AS sequence_name, s.seqmax AS value_max,
    has_sequence_privilege(sc.oid, 'SELECT') AND has_sequence_privilege(sc.oid, 'UPDATE') AS may_advance
FROM pg_sequence s
JOIN pg_class sc ON sc.oid = s.seqrelid
JOIN pg_namespace sn ON sn.oid = sc.relnamespace
JOIN LATERAL (
    SELECT d.refobjid AS relation, d.refobjsubid AS attnum FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = sc.oid
      AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    UNION
    SELECT f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = sc.oid
      AND pg_get_expr(f.adbin, f.adrelid) ~ '^nextval\('      -- the number itself, not what is computed from it
) AS fed ON true
JOIN pg_class c ON c.oid = fed.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = fed.attnum
JOIN pg_type t ON t.oid = a.atttypid
WHERE s.seqincrement > 0 AND NOT s.seqcycle
  AND CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
      'numeric'::regtype)
ORDER BY n.nspname, c.relname, a.attname;
