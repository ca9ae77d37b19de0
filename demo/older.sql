-- Turns the newest state into what a production might hold that was last synced at the end of November 2010. What has
-- changed since is real where a list below says so. The rest is a share of the rows, always the same ones: rows that
-- are missing, and names that an import of that age has robbed of their accents.

\set reviewed_at '2010-11-30 06:00:00+00'

-- A number from 0 to 99 for a key.
CREATE FUNCTION pg_temp.lot(key text) RETURNS int IMMUTABLE LANGUAGE sql
    AS $$ SELECT (('x' || left(md5(key), 8))::bit(32)::bigint % 100)::int $$;

CREATE FUNCTION pg_temp.without_accents(name text) RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT regexp_replace(normalize(name, NFD), U&'[\0300-\036F]', '', 'g') $$;

-- An application's own table: the slave has none, and it must stay as it is.
CREATE TABLE public.session (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    visitor    text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO public.session (visitor) SELECT 'visitor ' || n FROM generate_series(1, 25) AS n;

-- Subdivisions that did not exist yet: the countries' own codes since 2010, a reform's new units, a share of the rest.
CREATE TEMP TABLE absent AS
SELECT code FROM geo.subdivision
WHERE country IN ('BQ', 'CW', 'SS', 'SX')
    OR code ~ '^FR-(ARA|BFC|BRE|CVL|GES|HDF|IDF|NAQ|NOR|OCC|PAC|PDL)$'                        -- regions, 2016
    OR code ~ '^NO-(30|34|38|42|46|50|54)$'                                                   -- counties, 2018 to 2020
    OR code ~ '^CD-(BU|HK|HL|HU|IT|KC|KG|KL|KS|LO|LU|MN|MO|NU|SA|SU|TA|TO|TU)$'               -- provinces, 2015
    OR code ~ '^KE-[0-9]{2}$'                                                                 -- counties, 2013
    OR code ~ '^NP-P[1-7]$'                                                                   -- provinces, 2015
    OR code IN ('CL-NB', 'ID-KU', 'IN-DH', 'IN-LA', 'IN-TG', 'IN-TS', 'KZ-SHY', 'MX-CMX', 'PA-10')
    OR pg_temp.lot(code) < 4;

UPDATE geo.subdivision SET parent = NULL, reviewed_at = :'reviewed_at' WHERE parent IN (SELECT code FROM absent);
DELETE FROM geo.subdivision WHERE code IN (SELECT code FROM absent);

WITH RECURSIVE lines AS (
    SELECT code, ARRAY[code] AS lineage FROM geo.subdivision WHERE parent IS NULL
    UNION ALL
    SELECT child.code, lines.lineage || child.code FROM geo.subdivision AS child JOIN lines ON lines.code = child.parent
)
UPDATE geo.subdivision AS kept SET lineage = lines.lineage, reviewed_at = :'reviewed_at'
FROM lines WHERE lines.code = kept.code AND lines.lineage <> kept.lineage;

UPDATE geo.subdivision AS kept SET name = former.name, reviewed_at = :'reviewed_at'
FROM (VALUES ('CD-BC', 'Bas-Congo'), ('IN-OR', 'Orissa'), ('KZ-AST', 'Astana')) AS former(code, name)
WHERE kept.code = former.code;

UPDATE geo.subdivision SET name = pg_temp.without_accents(name), reviewed_at = :'reviewed_at'
WHERE pg_temp.lot(code || 'name') < 15 AND name <> pg_temp.without_accents(name);

-- Countries: no South Sudan before 2011, no BQ, CW and SX before December 2010, and the names of the time.
DELETE FROM public.review WHERE reviewed_at > :'reviewed_at';

UPDATE geo.country SET name = former.name, official_name = former.official_name, reviewed_at = :'reviewed_at'
FROM geo.former_name AS former WHERE country = alpha_2;
DELETE FROM geo.former_name;

DELETE FROM geo.country WHERE alpha_2 IN ('BQ', 'CW', 'SS', 'SX');

-- Currencies introduced since, and names of the time.
DELETE FROM public.currency
WHERE code IN ('BYN', 'MRU', 'SLE', 'SSP', 'STN', 'UYW', 'VED', 'VES', 'XCG', 'ZMW', 'ZWG');

UPDATE public.currency AS kept SET name = former.name, reviewed_at = :'reviewed_at'
FROM (VALUES ('AZN', 'Azerbaijanian Manat'), ('CVE', 'Cape Verde Escudo'), ('KMF', 'Comoro Franc'), ('MWK', 'Kwacha'),
    ('PEN', 'Nuevo Sol')) AS former(code, name)
WHERE kept.code = former.code;

-- Scripts registered since.
DELETE FROM "Reference"."Script"
WHERE "Code" IN ('Adlm', 'Aghb', 'Aran', 'Bhks', 'Hanb', 'Hatr', 'Hluw', 'Jamo', 'Khoj', 'Kits', 'Leke', 'Marc', 'Modi',
    'Mult', 'Newa', 'Osge', 'Pauc', 'Sidd', 'Tirh', 'Zsye');

-- Languages: a share not registered yet, a share of the extinct ones still spoken.
DELETE FROM public.language WHERE pg_temp.lot(alpha_3) < 3;

UPDATE public.language SET status = 'living', reviewed_at = :'reviewed_at'
WHERE status = 'extinct' AND pg_temp.lot(alpha_3 || 'status') < 30;

UPDATE public.language SET name = pg_temp.without_accents(name), reviewed_at = :'reviewed_at'
WHERE pg_temp.lot(alpha_3 || 'name') < 40 AND name <> pg_temp.without_accents(name);
