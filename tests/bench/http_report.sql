-- Medians over the rounds. A ratio is formed within each round first, so that a slow minute hits both of its sides.
-- :json_file :machine :settings :binary_version :node_version :cores
CREATE TEMP VIEW http_counted AS
SELECT nth, case_name, round, server, document, (document ->> 'per_second')::float AS per_second,
    (document ->> 'server_cores')::float / (document ->> 'per_second')::float * 1e6 AS cpu_us,
    (document ->> 'p50_ms')::float AS p50_ms, (document ->> 'p99_ms')::float AS p99_ms
FROM http_sample WHERE round > 0;

CREATE TEMP VIEW http_summary AS
SELECT mine.nth, mine.case_name, mine.server, count(*) AS rounds,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.per_second) AS per_second,
    min(mine.per_second) AS min_per_second, max(mine.per_second) AS max_per_second,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.per_second / other.per_second)
        FILTER (WHERE other.server <> mine.server) AS times_node,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.p50_ms) AS p50_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.p99_ms) AS p99_ms, max(mine.p99_ms) AS max_p99_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.cpu_us) AS cpu_us,
    max((mine.document ->> 'generator_cores')::float) AS generator_cores
FROM http_counted AS mine
LEFT JOIN http_counted AS other ON (other.nth, other.round, other.server) = (mine.nth, mine.round, 'node')
GROUP BY 1, 2, 3;

SELECT format(E'requests over HTTP, %s connections that stay open; medians of %s rounds of %s s each\n%s, %s cores for all: the servers, PostgreSQL, and the load (at most %s of a core)\n',
    (SELECT max(document ->> 'connections') FROM http_counted), max(rounds),
    (SELECT max((document ->> 'seconds')::float) FROM http_counted), :'node_version', :cores,
    round(max(generator_cores)::numeric, 2))
FROM http_summary;

\t off
\pset format aligned
\pset footer off
SELECT CASE WHEN server = 'tidesync' THEN case_name ELSE '' END AS "case",
    server,
    round(per_second) AS "a second",
    round(min_per_second) AS "min",
    round(max_per_second) AS "max",
    round(times_node::numeric, 2) AS "it / node",
    round(p50_ms::numeric, 1) AS "p50 ms",
    round(p99_ms::numeric, 1) AS "p99 ms",
    round(max_p99_ms::numeric, 1) AS "worst p99",
    round(cpu_us) AS "CPU us"
FROM http_summary ORDER BY nth, server DESC;

\t on
\pset format unaligned
SELECT $$it / node   requests a second against the Node server: the median of each round's ratio; Node has one thread
p99 ms      at a fixed rate timed from when a request was due, else from when it was sent
worst p99   of the slowest round; CPU us is the server's own time on the processors for each request, without PostgreSQL's
$$;
\o :json_file
SELECT jsonb_pretty(jsonb_build_object(
    'tidesync', :'binary_version', 'node', :'node_version', 'settings', :'settings'::jsonb, 'machine', :'machine'::jsonb,
    'summary', (SELECT jsonb_agg(to_jsonb(http_summary) - 'nth' ORDER BY nth, server DESC) FROM http_summary),
    'samples', (SELECT jsonb_agg(to_jsonb(http_sample) - 'nth' ORDER BY nth, round, server DESC) FROM http_sample)));
\o
