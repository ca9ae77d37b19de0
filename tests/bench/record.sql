-- Adds one measurement. Empty strings are nulls.
INSERT INTO sample VALUES (:'case', :round, :'method', :rows, :took_us, :client_ms, :slave_ms, :production_ms,
    :'lsn_after'::pg_lsn - :'lsn_before'::pg_lsn, :inserted, :updated, :dead, nullif(:'heap_records', '')::bigint,
    nullif(:'peak_kib', '')::bigint, nullif(:'document', '')::jsonb #> '{runs,0}');
