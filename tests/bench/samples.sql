-- Where the measurements are kept until they are reported.
CREATE TABLE sample (
    case_name      text,
    pair           int,        -- 0 is the warm-up, and does not count
    method         text,
    took_us        bigint,     -- wall clock, microseconds
    wal_bytes      numeric,    -- written by production's server
    rows_inserted  bigint,     -- into the table on production, as n_tup_ins counts
    rows_updated   bigint,
    rows_dead      bigint,     -- what is left for VACUUM
    peak_kib       bigint,     -- largest resident memory of the process; null where there are several
    document       jsonb       -- what `tidesync runs --json` says of the run
);
