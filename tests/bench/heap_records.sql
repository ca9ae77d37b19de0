-- How many records of production's WAL insert, update, delete or lock rows of the table or of its TOAST table. Pruning,
-- freezing, visibility and hint bits are not counted: they are housekeeping, and the tables have just been vacuumed.
-- :from :to
CREATE EXTENSION IF NOT EXISTS pg_walinspect;
SELECT count(*)
FROM pg_get_wal_records_info(:'from', :'to') AS record
WHERE record.resource_manager IN ('Heap', 'Heap2')
    AND record.record_type ~ '^(INSERT|MULTI_INSERT|UPDATE|HOT_UPDATE|DELETE|TRUNCATE|LOCK)'
    AND EXISTS (
        SELECT FROM pg_class AS bench JOIN pg_class AS mine ON mine.oid IN (bench.oid, bench.reltoastrelid)
        WHERE bench.oid = 'public.bench'::regclass
            AND record.block_ref ~ format('rel \d+/%s/%s ',
                (SELECT oid FROM pg_database WHERE datname = current_database()), pg_relation_filenode(mine.oid)));
