-- Medians over the rounds. A ratio is formed within each round first, so that a slow minute hits both of its sides.
-- :rows :row_bytes :server_version :cores :json_file :machine :settings :binary_version :peers
CREATE TEMP VIEW counted AS
SELECT *, took_us / 1e6 AS seconds,
    (client_ms + slave_ms + production_ms)::float AS all_ms,
    array_position(ARRAY['first', 'unchanged', 'changed'], case_name) AS case_order,
    array_position(ARRAY['plain', 'tidesync', 'pipe', 'floor', 'copy_data', 'clone', 'replication'], method) AS method_order
FROM sample WHERE round > 0;

CREATE TEMP VIEW summary AS
SELECT mine.case_name, mine.method, mine.case_order, mine.method_order, count(*) AS rounds,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.seconds) AS median_s, min(mine.seconds) AS min_s, max(mine.seconds) AS max_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY plain.seconds / mine.seconds) AS faster_than_plain,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.seconds / reference.seconds) AS times_reference,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.client_ms / 1e3) AS client_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.slave_ms / 1e3) AS slave_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.production_ms / 1e3) AS production_s,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY mine.client_ms / mine.all_ms) AS client_share,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.wal_bytes) AS wal_bytes,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.rows_inserted) AS rows_inserted,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.rows_updated) AS rows_updated,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY mine.rows_dead) AS rows_dead,
    max(mine.heap_records) AS heap_records,
    max(mine.peak_kib) / 1024.0 AS peak_mib
FROM counted AS mine
JOIN counted AS plain ON (plain.case_name, plain.round, plain.method) = (mine.case_name, mine.round, 'plain')
JOIN counted AS reference ON (reference.case_name, reference.round) = (mine.case_name, mine.round)
    AND reference.method IN ('pipe', 'floor')
GROUP BY 1, 2, 3, 4;

CREATE TEMP VIEW phases AS
SELECT case_name, case_order, nth, phase ->> 'name' AS phase,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY (phase ->> 'took_ms')::int / 1e3) AS median_s
FROM counted, jsonb_array_elements(document #> '{report,phases}') WITH ORDINALITY AS listed (phase, nth)
GROUP BY 1, 2, 3, 4;

CREATE TEMP VIEW aims (nth, figure, found, aim, reached) AS
SELECT aim.*
FROM summary, LATERAL (VALUES
    ('first', 1, 'first load, it / pipe', times_reference, '<= 1.15', times_reference <= 1.15),
    ('unchanged', 2, 'nothing changed, it / floor', times_reference, '<= 1.3', times_reference <= 1.3),
    ('unchanged', 3, 'nothing changed, WAL records on rows', heap_records, '0', heap_records = 0),
    ('changed', 4, '1 % changed, 0.1 % new, it / floor', times_reference, '<= 3', times_reference <= 3),
    ('changed', 5, '1 % changed, 0.1 % new, plain / it', faster_than_plain, '>= 6', faster_than_plain >= 6),
    (case_name, 5 + case_order, 'peak MiB, ' || case_name, peak_mib, '<= 40', peak_mib <= 40)
) AS known (case_name, nth, figure, found, aim, reached), LATERAL (SELECT nth, figure, found, aim, reached) AS aim
WHERE method = 'tidesync' AND known.case_name = summary.case_name;

SELECT format(E'%s rows x 12 columns, %s bytes a row, 3 secondary indexes; medians of %s runs each\nPostgreSQL %s, %s cores%s\n',
    ltrim(to_char(:rows, '999,999,999,999')), :row_bytes, max(rounds), :'server_version', :cores, ', ' || nullif(:'peers', ''))
FROM summary;

\t off
\pset format aligned
\pset footer off
SELECT CASE WHEN method_order = 1 THEN case_name ELSE '' END AS "case",
    method,
    round(median_s::numeric, 2) AS "median s",
    round(min_s::numeric, 2) AS "min",
    round(max_s::numeric, 2) AS "max",
    CASE WHEN method NOT IN ('plain', 'pipe', 'floor') THEN round(faster_than_plain::numeric, 2) END AS "plain / it",
    CASE WHEN method NOT IN ('pipe', 'floor') THEN round(times_reference::numeric, 2) END AS "it / reference",
    round(wal_bytes / 1e6, 1) AS "WAL MB",
    rows_inserted AS "inserted",
    rows_updated AS "updated",
    rows_dead AS "dead",
    heap_records AS "WAL on rows",
    round(peak_mib, 1) AS "peak MiB"
FROM summary ORDER BY case_order, method_order;

SELECT CASE WHEN method_order = 1 THEN case_name ELSE '' END AS "case",
    method,
    round(client_s::numeric, 2) AS "client CPU s",
    round(slave_s::numeric, 2) AS "slave CPU s",
    round(production_s::numeric, 2) AS "production CPU s",
    round(client_share::numeric * 100) AS "client %"
FROM summary ORDER BY case_order, method_order;

SELECT case_name AS "case", string_agg(format('%s %s', phase, round(median_s::numeric, 2)), ', ' ORDER BY nth) AS "phases of tidesync, median s"
FROM phases GROUP BY case_order, case_name ORDER BY case_order;

SELECT figure, round(found::numeric, 2) AS "found", aim, CASE WHEN reached THEN 'reached' WHEN NOT reached THEN 'MISSED' END AS " "
FROM aims ORDER BY nth;

\t on
\pset format unaligned
SELECT $$plain / it      how many times faster than the plain method: the median of each round's ratio
it / reference  how far from the least it could cost: pipe (binary COPY straight into the table) for a first load, floor
                (what the worker asks of both sides, asked at once by two psql) for the other cases
dead            rows left on production for VACUUM; peak MiB is the resident memory of the process
WAL on rows     records in production's WAL that insert, update, delete or lock rows of the table
client CPU s    processor time of the programs that a person starts, without the servers'
$$;
\o :json_file
SELECT jsonb_pretty(jsonb_build_object(
    'rows', :rows, 'row_bytes', :row_bytes, 'tidesync', :'binary_version', 'server_version', :'server_version',
    'peers', :'peers', 'settings', :'settings'::jsonb, 'machine', :'machine'::jsonb,
    'aims', (SELECT jsonb_agg(to_jsonb(aims) - 'nth' ORDER BY nth) FROM aims),
    'summary', (SELECT jsonb_agg(to_jsonb(summary) - 'case_order' - 'method_order' ORDER BY case_order, method_order) FROM summary),
    'phases', (SELECT jsonb_agg(to_jsonb(phases) - 'case_order' - 'nth' ORDER BY case_order, nth) FROM phases),
    'samples', (SELECT jsonb_agg(to_jsonb(sample) ORDER BY case_name, round, method) FROM sample)));
\o
