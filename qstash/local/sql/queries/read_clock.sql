-- Returns the time in whole milliseconds since 1970. The one clock of all replicas.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms;
