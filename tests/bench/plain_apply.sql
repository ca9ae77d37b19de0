-- The plain method, second half, in one transaction: insert what is missing, set every column of every row.
INSERT INTO bench
SELECT staged.* FROM bench_staging AS staged LEFT JOIN bench USING (id) WHERE bench.id IS NULL;

UPDATE bench SET
    customer = staged.customer,
    title = staged.title,
    description = staged.description,
    price = staged.price,
    created_at = staged.created_at,
    updated_at = staged.updated_at,
    active = staged.active,
    attributes = staged.attributes,
    tags = staged.tags,
    public_id = staged.public_id,
    note = staged.note
FROM bench_staging AS staged WHERE staged.id = bench.id;

DROP TABLE bench_staging;
