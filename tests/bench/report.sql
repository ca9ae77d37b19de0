-- Medians over the pairs. A ratio is formed within each pair first, so that a slow minute hits both of its sides.
-- :rows :row_bytes :server_version :cores :json_file :machine :settings :binary_version
CREATE TEMP VIEW counted AS
SELECT *, took_us / 1e6 AS seconds,
    array_position(ARRAY['first', 'unchanged', 'changed'], case_name) AS case_order,
    CASE method WHEN 'plain' THEN 1 WHEN 'tidesync' THEN 2 ELSE 3 END AS method_order
FROM sample WHERE pair > 0;

CREATE TEMP VIEW summary AS
SELECT mine.case_name, mine.method, mine.case_order, mine.method_order, count(*) AS pairs,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.seconds) AS median_s, min(mine.seconds) AS min_s, max(mine.seconds) AS max_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY plain.seconds / mine.seconds) AS faster_than_plain,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.seconds / reference.seconds) AS times_reference,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.wal_bytes) AS wal_bytes,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.rows_inserted) AS rows_inserted,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.rows_updated) AS rows_updated,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.rows_dead) AS rows_dead,
    max(mine.peak_kib) AS peak_kib
FROM counted AS mine
JOIN counted AS plain ON (plain.case_name, plain.pair, plain.method_order) = (mine.case_name, mine.pair, 1)
JOIN counted AS reference ON (reference.case_name, reference.pair, reference.method_order) = (mine.case_name, mine.pair, 3)
GROUP BY 1, 2, 3, 4;

CREATE TEMP VIEW phases AS
SELECT case_name, case_order, nth, phase ->> 'name' AS phase,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY (phase ->> 'took_ms')::int / 1e3) AS median_s
FROM counted, jsonb_array_elements(document #> '{report,phases}') WITH ORDINALITY AS listed (phase, nth)
GROUP BY 1, 2, 3, 4;

SELECT format(E'%s rows x 12 columns, %s bytes a row, 3 secondary indexes; medians of %s runs each\nPostgreSQL %s, %s cores\n',
    ltrim(to_char(:rows, '999,999,999,999')), :row_bytes, max(pairs), :'server_version', :cores)
FROM summary;

\t off
\pset format aligned
\pset footer off
SELECT CASE WHEN method_order = 1 THEN case_name ELSE '' END AS "case",
    method,
    round(median_s::numeric, 2) AS "median s",
    round(min_s::numeric, 2) AS "min",
    round(max_s::numeric, 2) AS "max",
    CASE method_order WHEN 2 THEN round(faster_than_plain::numeric, 2) END AS "plain / it",
    CASE WHEN method_order < 3 THEN round(times_reference::numeric, 2) END AS "it / reference",
    round(wal_bytes / 1e6, 1) AS "WAL MB",
    rows_inserted AS "inserted",
    rows_updated AS "updated",
    rows_dead AS "dead",
    round(peak_kib / 1024.0, 1) AS "peak MiB"
FROM summary ORDER BY case_order, method_order;

SELECT case_name AS "case", string_agg(format('%s %s', phase, round(median_s::numeric, 2)), ', ' ORDER BY nth) AS "phases of tidesync, median s"
FROM phases GROUP BY case_order, case_name ORDER BY case_order;

\t on
\pset format unaligned
SELECT $$plain / it      how many times faster than the plain method: the median of each pair's ratio
it / reference  how far from the least it could cost: pipe (binary COPY straight into the table) for a first load,
                scan (a fingerprint of both sides at once) for the other cases
dead            rows left on production for VACUUM; peak MiB is the resident memory of the process
$$;
\o :json_file
SELECT jsonb_pretty(jsonb_build_object(
    'rows', :rows, 'row_bytes', :row_bytes, 'tidesync', :'binary_version', 'server_version', :'server_version',
    'settings', :'settings'::jsonb, 'machine', :'machine'::jsonb,
    'summary', (SELECT jsonb_agg(to_jsonb(summary) - 'case_order' - 'method_order' ORDER BY case_order, method_order) FROM summary),
    'phases', (SELECT jsonb_agg(to_jsonb(phases) - 'case_order' - 'nth' ORDER BY case_order, nth) FROM phases),
    'samples', (SELECT jsonb_agg(to_jsonb(sample) ORDER BY case_name, pair, method) FROM sample)));
\o
