-- The table of the benchmark, as an application might have it: 12 columns, a key, 3 secondary indexes.
CREATE TABLE bench (
    id          bigint PRIMARY KEY,
    customer    integer NOT NULL,
    title       text NOT NULL,
    description text NOT NULL,
    price       numeric(12, 2) NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    active      boolean NOT NULL,
    attributes  jsonb NOT NULL,
    tags        integer[] NOT NULL,
    public_id   uuid NOT NULL,
    note        text
);
CREATE INDEX bench_customer ON bench (customer);
CREATE INDEX bench_updated_at ON bench (updated_at);
CREATE UNIQUE INDEX bench_public_id ON bench (public_id); -- values in no order, so that this index costs what it does
