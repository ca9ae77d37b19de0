-- Adds one measurement. Empty strings are nulls.
INSERT INTO sample VALUES (:'case', :pair, :'method', :took_us, :'lsn_after'::pg_lsn - :'lsn_before'::pg_lsn, :inserted,
    :updated, :dead, nullif(:'peak_kib', '')::bigint, nullif(:'document', '')::jsonb #> '{runs,0}');
