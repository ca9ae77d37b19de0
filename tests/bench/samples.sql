-- Where the measurements are kept until they are reported.
CREATE TABLE sample (
    case_name      text,
    round          int,        -- 0 is the warm-up, and does not count
    method         text,
    rows           bigint,     -- of the table
    took_us        bigint,     -- wall clock, microseconds
    client_ms      bigint,     -- processor time of the programs that a person starts, milliseconds
    slave_ms       bigint,     -- of the slave's server
    production_ms  bigint,     -- of production's server
    wal_bytes      numeric,    -- written by production's server
    rows_inserted  bigint,     -- into the table on production, as n_tup_ins counts
    rows_updated   bigint,
    rows_dead      bigint,     -- what is left for VACUUM
    heap_records   bigint,     -- WAL records that change or lock rows of the table; null where they were not read
    peak_kib       bigint,     -- largest resident memory of the process; null where there are several
    document       jsonb       -- what `tidesync runs --json` says of the run
);
