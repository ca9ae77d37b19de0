-- Sets something that lives as long as the session; read_session.sql reads it, RESET takes it back.
-- $1 text  the word
SELECT set_config('tidesync.doctor', $1, false);
