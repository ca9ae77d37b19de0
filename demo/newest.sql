-- The newest state, from the JSON files of Debian's package iso-codes. psql reads them, on the client's side: no file
-- access on the server, no superuser. Elsewhere than on Debian: psql -v iso_codes=FOLDER

\if :{?iso_codes} \else \set iso_codes /usr/share/iso-codes/json \endif
\set countries    `cat :'iso_codes'/iso_3166-1.json`
\set subdivisions `cat :'iso_codes'/iso_3166-2.json`
\set currencies   `cat :'iso_codes'/iso_4217.json`
\set languages    `cat :'iso_codes'/iso_639-3.json`
\set scripts      `cat :'iso_codes'/iso_15924.json`
\set reviewed_at  '2024-01-01 06:00:00+00'

INSERT INTO geo.country (alpha_2, alpha_3, "numeric", name, official_name, common_name, flag, reviewed_at)
SELECT alpha_2, alpha_3, "numeric", name, official_name, common_name, flag, :'reviewed_at'
FROM jsonb_to_recordset(:'countries'::jsonb -> '3166-1')
    AS c(alpha_2 text, alpha_3 text, "numeric" text, name text, official_name text, common_name text, flag text)
ORDER BY alpha_2;

-- What has been renamed since 2010, of what this version of the package knows.
INSERT INTO geo.former_name (country, until_year, name, official_name)
SELECT country, until_year, former.name, former.official_name
FROM geo.country JOIN (VALUES
    ('CV', 2013, 'Cape Verde', 'Republic of Cape Verde'),
    ('CZ', 2016, 'Czech Republic', 'Czech Republic'),
    ('FJ', 2011, 'Fiji', 'Republic of the Fiji Islands'),
    ('HU', 2012, 'Hungary', 'Republic of Hungary'),
    ('LY', 2011, 'Libyan Arab Jamahiriya', 'Great Socialist People''s Libyan Arab Jamahiriya'),
    ('MK', 2019, 'Macedonia, the former Yugoslav Republic of', 'The Former Yugoslav Republic of Macedonia'),
    ('MM', 2011, 'Myanmar', 'Union of Myanmar'),
    ('PS', 2013, 'Palestinian Territory, Occupied', 'Occupied Palestinian Territory'),
    ('SZ', 2018, 'Swaziland', 'Kingdom of Swaziland'),
    ('TR', 2022, 'Turkey', 'Republic of Turkey')
) AS former(country, until_year, name, official_name) ON country = alpha_2
WHERE (country.name, country.official_name) IS DISTINCT FROM (former.name, former.official_name);

INSERT INTO public.review (tide, country, note, reviewed_at)
SELECT 0, country, format('%s, formerly %s', country.name, former.name),
    make_timestamptz(until_year, 12, 31, 12, 0, 0, 'UTC')
FROM geo.former_name AS former JOIN geo.country ON alpha_2 = country
WHERE country.name <> former.name
ORDER BY until_year, country;

-- A parent is written as a whole code (GB-ABC has "GB-NIR") or without the country (AZ-BAB has "NX").
CREATE TEMP TABLE listed AS
SELECT * FROM jsonb_to_recordset(:'subdivisions'::jsonb -> '3166-2') AS s(code text, parent text, type text, name text);

INSERT INTO geo.subdivision (code, country, parent, type, name, lineage, reviewed_at)
WITH RECURSIVE linked AS (
    SELECT child.code, child.type, child.name, parent.code AS parent
    FROM listed AS child
    LEFT JOIN listed AS parent
        ON parent.code = CASE WHEN child.parent LIKE '%-%' THEN '' ELSE left(child.code, 2) || '-' END || child.parent
), lines AS (
    SELECT code, ARRAY[code] AS lineage FROM linked WHERE parent IS NULL
    UNION ALL
    SELECT linked.code, lineage || linked.code FROM linked JOIN lines ON lines.code = linked.parent
)
SELECT code, left(code, 2), parent, type, name, lineage, :'reviewed_at'
FROM linked LEFT JOIN lines USING (code)   -- a line that starts nowhere, a circle, fails on NOT NULL
ORDER BY code;

SELECT count(*) FILTER (WHERE listed.parent IS NOT NULL AND kept.parent IS NULL) AS lost,
    count(*) FILTER (WHERE listed.parent IS NOT NULL AND kept.parent IS NULL) > 0 AS any_lost
FROM listed JOIN geo.subdivision AS kept USING (code) \gset
\if :any_lost \warn :lost subdivisions name a parent that the package does not list; loaded without one \endif

INSERT INTO public.currency (code, "numeric", name, reviewed_at)
SELECT alpha_3, "numeric", name, :'reviewed_at'
FROM jsonb_to_recordset(:'currencies'::jsonb -> '4217') AS c(alpha_3 text, "numeric" text, name text)
ORDER BY alpha_3;

INSERT INTO public.language (alpha_3, alpha_2, scope, status, name, details, reviewed_at)
SELECT alpha_3, alpha_2,
    (CASE scope WHEN 'I' THEN 'individual' WHEN 'M' THEN 'macrolanguage' ELSE 'special' END)::language_scope,
    (CASE type WHEN 'L' THEN 'living' WHEN 'E' THEN 'extinct' WHEN 'A' THEN 'ancient' WHEN 'H' THEN 'historical'
        WHEN 'C' THEN 'constructed' ELSE 'special' END)::language_status,
    name,
    jsonb_strip_nulls(jsonb_build_object('bibliographic', bibliographic, 'common_name', common_name,
        'inverted_name', inverted_name)),
    :'reviewed_at'
FROM jsonb_to_recordset(:'languages'::jsonb -> '639-3')
    AS l(alpha_3 text, alpha_2 text, scope text, type text, name text, bibliographic text, common_name text,
        inverted_name text)
ORDER BY alpha_3;

INSERT INTO "Reference"."Script" ("Code", "Numeric", "Name", "OtherNames", "ReviewedAt")
SELECT alpha_4, "numeric", trim(split_part(name, '(', 1)), string_to_array(substring(name FROM '\((.*)\)'), ', '),
    :'reviewed_at'
FROM jsonb_to_recordset(:'scripts'::jsonb -> '15924') AS s(alpha_4 text, "numeric" text, name text)
ORDER BY alpha_4;
