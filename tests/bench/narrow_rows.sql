-- Fills the narrow table, as rows.sql does the wide one.
-- :rows   rows of the newest state
-- :state  newest, or behind: without the last 0.1 %, and 1 % of the rows, evenly scattered, with another value
INSERT INTO bench
SELECT id, id::bigint * 7919 % 1000003 + (:'state' = 'behind' AND id % 100 = 42)::int
FROM generate_series(1, :rows - CASE :'state' WHEN 'behind' THEN :rows / 1000 ELSE 0 END) AS id;
VACUUM (ANALYZE) bench;
