-- Ends when the row with the highest id is there, or fails after ten minutes. Looks 100 times a second, by the key.
-- :rows
SELECT set_config('bench.rows', :'rows', false) \g /dev/null
SET statement_timeout = '10min';
DO $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM bench WHERE id = current_setting('bench.rows')::bigint) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
