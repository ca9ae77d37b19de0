-- What the statistics of production say about the table: rows inserted, updated, dead.
SELECT n_tup_ins, n_tup_upd, n_dead_tup FROM pg_stat_user_tables WHERE relid = 'public.bench'::regclass;
