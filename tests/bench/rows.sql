-- Fills the table. Every value follows from the id, so that two servers get the same rows without talking to each other.
-- :rows   rows of the newest state
-- :state  newest: all of them as they are. behind: without the last 0.1 %, and 1 % of the rows, evenly scattered, older
--         in four columns, an indexed one among them.
INSERT INTO bench
SELECT id,
    1 + (lot % 50000)::int,
    format('Product %s of series %s', id, left(digits, 8)),
    format('Batch %s, stored in aisle %s. %s', right(digits, 12), lot % 400, repeat(left(digits, 16) || ' ', 2)),
    ((lot % 1000000) / 100.0 + CASE WHEN older THEN 0 ELSE 0.5 END)::numeric(12, 2),
    timestamptz '2020-01-01 00:00:00Z' + id * interval '1 second',
    timestamptz '2024-01-01 00:00:00Z' + (lot % 31536000) * interval '1 second' - older::int * interval '40 days',
    lot % 10 <> 0,
    jsonb_build_object('colour', lot % 64, 'size', substr(digits, 9, 4), 'stock', lot % 900 + older::int),
    ARRAY[lot % 7, lot % 100, lot % 1000, id % 5]::int[],
    digits::uuid,
    CASE WHEN older THEN 'to be reviewed' WHEN lot % 3 = 0 THEN 'reviewed, ' || right(digits, 8) END
FROM (
    SELECT id, digits, ('x' || left(digits, 7))::bit(28)::int::bigint AS lot, :'state' = 'behind' AND id % 100 = 42 AS older
    FROM generate_series(1, :rows - CASE :'state' WHEN 'behind' THEN :rows / 1000 ELSE 0 END) AS id,
        md5(id::text) AS digits
) AS row;
VACUUM (ANALYZE) bench;
