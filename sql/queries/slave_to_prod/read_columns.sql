-- Every column of every table that could be synced: ordinary and partitioned tables (not their partitions), without
-- extension members, Tidesync's own schemas, the system's, and those that Supabase manages itself.
-- Needs search_path = pg_catalog, so that type names come out qualified alike on both sides.
-- Returns one row per column in the table's order. `image` says how a value is turned into something whose hash
-- differs whenever the stored value differs (docs/decisions/0003-images.md):
--   raw   the value itself: a hash of it is stable between servers and as strict as the stored bytes
--   send  the type's binary output, in `send_function`
--   text  the type's text output: arrays and composites carry type numbers of one database in their binary form
-- `key_hashes_raw` says that a hash of the value itself follows equality and is stable between servers: such a key meets
-- its like under another image, as 1.0 meets 1.00. The hash of an enum is that of a number of one database.
-- `parking` says what a value can be set aside as for a moment, so that two rows can swap theirs (null: nothing known):
--   number, time   one that is higher than all others
--   text, uuid     a random one
--   range          an empty one, which overlaps nothing
-- `referred` says that a foreign key hangs on the column, from here or to here: such a value cannot be set aside.
-- `equality` is the operator by which a declared key tells rows apart; null for types that have none.
WITH RECURSIVE unwrapped (oid, base, modifier) AS (   -- domains down to the type they stand on
    SELECT oid, oid, -1 FROM pg_type
    UNION ALL
    SELECT u.oid, t.typbasetype, t.typtypmod FROM unwrapped u JOIN pg_type t ON t.oid = u.base WHERE t.typtype = 'd'
), text_only (oid) AS (   -- no binary form; or one that names objects by number, or does not give back the same image
    SELECT oid FROM pg_type
    WHERE typsend = 0 OR typreceive = 0 OR typnamespace = 'pg_catalog'::regnamespace AND typname IN ('tsquery',
        'regclass', 'regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper', 'regoperator', 'regproc',
        'regprocedure', 'regrole', 'regtype')
), hashable (oid) AS (
    SELECT o.opcintype FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'hash'
    JOIN pg_amproc p ON p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype AND p.amprocnum = 2
    WHERE o.opcdefault
)
SELECT
    n.nspname AS schema_name, c.relname AS table_name, c.relkind = 'p' AS partitioned,
    greatest(c.reltuples, 0)::bigint AS estimated_rows,
    has_schema_privilege(n.oid, 'USAGE') AS may_use_schema,
    has_table_privilege(c.oid, 'SELECT') AS may_select,
    has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AS may_write,
    has_table_privilege(c.oid, 'DELETE') AS may_delete,
    a.attname AS column_name,
    format_type(a.atttypid, NULL) AS type_name,
    format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.atttypid <> b.oid THEN ' over ' || format_type(b.oid, u.modifier) ELSE '' END
        || coalesce(fields.list, '') AS full_type,
    a.attnotnull AS not_null, a.atthasdef OR a.attidentity <> '' AS has_default,
    a.attgenerated <> '' AS generated, a.attidentity = 'a' AS identity_always,
    CASE
        WHEN bn.nspname = 'pg_catalog' AND b.typname IN ('bool', 'int2', 'int4', 'int8', 'oid', 'uuid', 'date', 'time',
            'timestamp', 'timestamptz', 'bytea', 'inet', 'cidr', 'macaddr', 'macaddr8', 'char') THEN 'raw'
        WHEN bn.nspname = 'pg_catalog' AND b.typname IN ('text', 'varchar', 'name')
            AND coalesce(l.collisdeterministic, true) THEN 'raw'
        WHEN b.typcategory <> 'A' AND b.oid NOT IN (SELECT oid FROM text_only)
            -- What takes any enum or range does not take a domain over one.
            AND (s.proargtypes[0] = b.oid OR b.typtype IN ('e', 'r', 'm') AND b.oid = a.atttypid) THEN 'send'
        ELSE 'text'
    END AS image,
    quote_ident(sn.nspname) || '.' || quote_ident(s.proname) AS send_function,
    b.typtype = 'c' OR (b.typcategory = 'A' AND en.nspname <> 'pg_catalog') AS carries_type_numbers,
    b.oid NOT IN (SELECT oid FROM text_only) AND coalesce(e.oid NOT IN (SELECT oid FROM text_only), true)
        AS has_binary_form,
    coalesce(e.typtype, b.typtype) = 'b' AND coalesce(e.oid, b.oid) IN (SELECT oid FROM hashable) AS key_hashes_raw,
    b.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) AS integer,
    CASE
        WHEN b.typtype = 'r' THEN 'range'
        WHEN b.typname IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8') AND b.typtype = 'b' THEN 'number'
        WHEN b.typname IN ('text', 'varchar', 'bpchar', 'citext') AND b.typtype = 'b' THEN 'text'
        WHEN b.typname IN ('date', 'timestamp', 'timestamptz') AND b.typtype = 'b' THEN 'time'
        WHEN b.oid = 'uuid'::regtype THEN 'uuid'
    END AS parking,
    EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f'
            AND (f.conrelid = c.oid AND a.attnum = ANY (f.conkey) OR f.confrelid = c.oid AND a.attnum = ANY (f.confkey)))
        AS referred,
    equality.operator AS equality
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN unwrapped u ON u.oid = a.atttypid
JOIN pg_type b ON b.oid = u.base AND b.typtype <> 'd'
JOIN pg_namespace bn ON bn.oid = b.typnamespace
LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
LEFT JOIN pg_namespace en ON en.oid = e.typnamespace
LEFT JOIN pg_proc s ON s.oid = b.typsend
LEFT JOIN pg_namespace sn ON sn.oid = s.pronamespace
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN LATERAL (   -- two composites of one name may be made differently
    SELECT ' (' || string_agg(f.attname || ' ' || format_type(f.atttypid, f.atttypmod), ', ' ORDER BY f.attnum) || ')' AS list
    FROM pg_attribute f
    WHERE f.attrelid = nullif(coalesce(e.typrelid, b.typrelid), 0) AND f.attnum > 0 AND NOT f.attisdropped
) AS fields ON true
LEFT JOIN LATERAL (   -- the type's own equality, written so that no search_path can change it
    SELECT 'OPERATOR(' || quote_ident(opn.nspname) || '.' || op.oprname || ')' AS operator
    FROM pg_opclass oc
    JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree'
    JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
        AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
    JOIN pg_operator op ON op.oid = ao.amopopr
    JOIN pg_namespace opn ON opn.oid = op.oprnamespace
    WHERE oc.opcdefault AND oc.opcintype = CASE
        WHEN b.typcategory = 'A' AND b.typelem <> 0 THEN 'anyarray'::regtype
        WHEN b.typtype = 'e' THEN 'anyenum'::regtype WHEN b.typtype = 'r' THEN 'anyrange'::regtype
        WHEN b.typtype = 'm' THEN 'anymultirange'::regtype WHEN b.typtype = 'c' THEN 'record'::regtype
        WHEN b.oid = 'varchar'::regtype THEN 'text'::regtype ELSE b.oid END
    LIMIT 1
) AS equality ON true
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname !~ '^tidesync(_|$)' AND n.nspname <> 'information_schema'
  AND n.nspname <> ALL (ARRAY['auth', 'storage', 'realtime', '_realtime', 'vault', 'supabase_functions',
      'supabase_migrations', '_analytics', '_supavisor', 'extensions', 'graphql', 'graphql_public', 'pgbouncer',
      'pgsodium', 'pgsodium_masks', 'net', 'cron'])
  AND NOT EXISTS (SELECT 1 FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname, a.attnum;
