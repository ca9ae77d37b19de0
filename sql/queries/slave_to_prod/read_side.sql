-- What this server is, and of a standby how old is what it has replayed: whole seconds by its own clock, null when nobody
-- can tell. The last transaction of an idle primary is old, and yet nothing is missing: while WAL comes in and all of it
-- has been replayed, the age is 0. (Who may not see more of pg_stat_wal_receiver sees that there is a row.)
SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
    pg_encoding_to_char(encoding) AS encoding, datcollate AS collation, pg_is_in_recovery() AS in_recovery,
    quote_literal(to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')) || '::timestamptz' AS now,
    CASE WHEN NOT pg_is_in_recovery() THEN NULL
         WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) AND pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() THEN 0
         ELSE greatest(0, floor(extract(epoch FROM now() - pg_last_xact_replay_timestamp())))::bigint
    END AS replay_age_s
FROM pg_database WHERE datname = current_database();
