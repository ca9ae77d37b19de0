-- What this server is.
SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
    pg_encoding_to_char(encoding) AS encoding, pg_is_in_recovery() AS in_recovery,
    quote_literal(to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')) || '::timestamptz' AS now
FROM pg_database WHERE datname = current_database();
