-- Whether time is linear in rows, and memory flat. Ratios are formed within each round first.
-- :row_bytes :server_version :cores :json_file :machine :settings :binary_version
CREATE TEMP VIEW counted AS
SELECT *, took_us / 1e6 AS seconds, replace(case_name, 'narrow ', '') AS name,
    array_position(ARRAY['narrow first', 'narrow unchanged', 'narrow changed'], case_name) AS case_order,
    lag(took_us) OVER smaller AS smaller_us, lag(rows) OVER smaller AS smaller_rows
FROM sample WHERE round > 0
WINDOW smaller AS (PARTITION BY case_name, round ORDER BY rows);

CREATE TEMP VIEW summary AS
SELECT name, case_order, rows, count(*) AS rounds,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_s, min(seconds) AS min_s, max(seconds) AS max_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds / rows * 1e6) AS us_a_row,
    -- 1: ten times the rows take ten times as long
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ln(took_us::float / smaller_us) / ln(rows::float / smaller_rows)) AS slope,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY client_ms / 1e3) AS client_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY (slave_ms + production_ms) / 1e3) AS servers_s,
    max(heap_records) AS heap_records,
    max(peak_kib) / 1024.0 AS peak_mib
FROM counted GROUP BY 1, 2, 3;

SELECT format(E'tidesync, tables of 2 columns, %s bytes a row; medians of %s runs each\nPostgreSQL %s, %s cores\n',
    :row_bytes, max(rounds), :'server_version', :cores)
FROM summary;

\t off
\pset format aligned
\pset footer off
SELECT name AS "case",
    ltrim(to_char(rows, '999,999,999,999')) AS "rows",
    round(median_s::numeric, 2) AS "median s",
    round(min_s::numeric, 2) AS "min",
    round(max_s::numeric, 2) AS "max",
    round(us_a_row::numeric, 2) AS "us a row",
    round(slope::numeric, 2) AS "slope",
    round(peak_mib, 1) AS "peak MiB",
    round(client_s::numeric, 2) AS "client CPU s",
    round(servers_s::numeric, 2) AS "servers' CPU s",
    heap_records AS "WAL on rows"
FROM summary ORDER BY case_order, summary.rows;

SELECT 'peak MiB, the largest' AS figure, round(max(peak_mib), 1) AS "found", '<= 40' AS aim,
    CASE WHEN max(peak_mib) <= 40 THEN 'reached' ELSE 'MISSED' END AS " "
FROM summary
UNION ALL
SELECT 'peak MiB, the largest / the smallest, ' || name, round(max(peak_mib) / min(peak_mib), 2), '<= 1.1',
    CASE WHEN max(peak_mib) / min(peak_mib) <= 1.1 THEN 'reached' ELSE 'MISSED' END
FROM summary GROUP BY name, case_order
UNION ALL
SELECT 'WAL records on rows, unchanged', max(heap_records), '0', CASE WHEN max(heap_records) = 0 THEN 'reached' ELSE 'MISSED' END
FROM summary WHERE name = 'unchanged';

\t on
\pset format unaligned
SELECT $$slope        of time over rows, both as logarithms, from the size above: 1 is linear, below 1 fixed costs still show
WAL on rows  records in production's WAL that insert, update, delete or lock rows of the table
$$;
\o :json_file
SELECT jsonb_pretty(jsonb_build_object(
    'row_bytes', :row_bytes, 'tidesync', :'binary_version', 'server_version', :'server_version',
    'settings', :'settings'::jsonb, 'machine', :'machine'::jsonb,
    'summary', (SELECT jsonb_agg(to_jsonb(summary) - 'case_order' ORDER BY case_order, rows) FROM summary),
    'samples', (SELECT jsonb_agg(to_jsonb(sample) ORDER BY case_name, rows, round) FROM sample)));
\o
