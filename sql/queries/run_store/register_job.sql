-- Makes the job known, so that its row can be locked.
-- $1 text  job name
INSERT INTO tidesync.job (name) VALUES ($1) ON CONFLICT DO NOTHING;
