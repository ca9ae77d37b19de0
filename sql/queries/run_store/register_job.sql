-- Makes the job known, so that its row can be locked, with the rules that this worker has for it.
-- $1 text     job name
-- $2 text     overlap: forbid (a message during a run belongs to that run) or queue_one (it makes one more, afterwards)
-- $3 int      seconds between two slots of its schedule
-- $4 int      seconds that a success may be overdue before the job is late
-- $5 boolean  whether these rules count where the job is known already
INSERT INTO tidesync.job (name, overlap, slot_every, grace)
VALUES ($1, $2, make_interval(secs => $3::int), make_interval(secs => $4::int))
ON CONFLICT (name) DO UPDATE SET overlap = excluded.overlap, slot_every = excluded.slot_every, grace = excluded.grace
WHERE $5::boolean AND
    (job.overlap, job.slot_every, job.grace) IS DISTINCT FROM (excluded.overlap, excluded.slot_every, excluded.grace);
