-- The worker's own role on both sides: no superuser, and no more than a sync needs. Run as a superuser in the database,
-- with -v side=slave or -v side=production, and the role's password in TIDESYNC_ROLE_PASSWORD.

\getenv password TIDESYNC_ROLE_PASSWORD
SELECT 'CREATE ROLE tidesync LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidesync') \gexec
ALTER ROLE tidesync PASSWORD :'password';

SELECT :'side' = 'production' AS production, current_database() AS database \gset
GRANT CONNECT ON DATABASE :"database" TO tidesync;
GRANT USAGE ON SCHEMA geo, public, "Reference" TO tidesync;
\if :production
    GRANT CREATE ON DATABASE :"database" TO tidesync;   -- `tidesync migrate` makes its own schemas
    GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA geo, public, "Reference" TO tidesync;
    REVOKE ALL ON public.session FROM tidesync;
    GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA geo, public, "Reference" TO tidesync;
\else
    GRANT SELECT ON ALL TABLES IN SCHEMA geo, public, "Reference" TO tidesync;
    GRANT SELECT ON ALL SEQUENCES IN SCHEMA geo, public, "Reference" TO tidesync;
\endif
