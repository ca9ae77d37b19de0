-- Returns now_us bigint: the server's clock, microseconds since 1970.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us;
