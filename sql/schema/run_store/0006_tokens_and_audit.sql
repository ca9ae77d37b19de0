-- Who may ask a worker for something, and what people asked for.

-- Bearer tokens. Only the hash is kept: 256 random bits need no slow one.
CREATE TABLE tidesync.token (
    id           text PRIMARY KEY CHECK (id ~ '^[a-z2-7]{10}$'),      -- stands in the token, for look-up
    name         text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$'),    -- of two alike, one replaces the other
    scope        text NOT NULL CHECK (scope IN ('read', 'trigger', 'admin')),
    sha256       bytea NOT NULL CHECK (octet_length(sha256) = 32),     -- of the whole token
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text NOT NULL,
    expires_at   timestamptz,                                          -- null: never
    revoked_at   timestamptz,
    revoked_by   text,
    last_used_at timestamptz,                                          -- to about a minute
    CONSTRAINT who_iff_revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

-- What people did, written in the transaction that did it. The run may be forgotten before its entry is.
CREATE TABLE tidesync.audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text NOT NULL,                  -- who: a token with its name and id, the admin token, a user of the command line
    action     text NOT NULL CHECK (action ~ '^[a-z]+\.[a-z-]+$'),
    job        text,
    run_id     uuid,
    request_id text,                           -- of HTTP, as the answer and the log name it
    remote     text,                           -- address of the peer, or the host of the command line
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_history ON tidesync.audit (at);

-- Append-only, for whoever does not own the table.
CREATE FUNCTION tidesync.audit_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < clock_timestamp() - interval '365 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'tidesync.audit is append-only for 365 days: no %', TG_OP USING ERRCODE = 'P0403';
END $$;
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE ON tidesync.audit
    FOR EACH ROW EXECUTE FUNCTION tidesync.audit_guard();
CREATE TRIGGER audit_guard_all BEFORE TRUNCATE ON tidesync.audit
    FOR EACH STATEMENT EXECUTE FUNCTION tidesync.audit_guard();

-- With the owner's rights, so that the role of the workers needs none to delete: it can only ask for what is due.
CREATE FUNCTION tidesync.prune_audit(rows_max int) RETURNS int LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    WITH forgotten AS (
        DELETE FROM tidesync.audit WHERE id IN (
            SELECT id FROM tidesync.audit WHERE at < clock_timestamp() - interval '365 days'
            ORDER BY at LIMIT rows_max FOR UPDATE SKIP LOCKED)
        RETURNING id
    )
    SELECT count(*)::int FROM forgotten
$$;
