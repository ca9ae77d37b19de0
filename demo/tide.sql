-- One tide: what editors might do on the slave between two syncs. A few new rows, under the codes that the standards
-- leave to their users, and several dozen edits. When the codes have run out, only edits remain.
-- Prints: number of this tide|rows added|rows edited

SELECT coalesce(max(tide), 0) + 1 AS tide FROM public.review \gset

WITH
-- Local use: ISO 639 qaa to qtz, ISO 3166 QM to QZ and XA to XZ (XK is widely taken), ISO 15924 Qaaa to Qabx.
languages_added AS (
    INSERT INTO public.language (alpha_3, scope, status, name, reviewed_at)
    SELECT code, 'individual', 'constructed', 'Local use ' || code, now()
    FROM (SELECT 'q' || chr(b) || chr(c) AS code
          FROM generate_series(97, 116) AS b, generate_series(97, 122) AS c) AS codes
    WHERE NOT EXISTS (SELECT FROM public.language WHERE alpha_3 = code)
    ORDER BY code LIMIT 4
    RETURNING 1
), countries_added AS (
    INSERT INTO geo.country (alpha_2, alpha_3, "numeric", name, reviewed_at)
    SELECT code, code || 'A', (899 + number)::text, 'User-assigned ' || code, now()
    FROM (SELECT code, row_number() OVER (ORDER BY code) AS number
          FROM (SELECT 'Q' || chr(c) AS code FROM generate_series(77, 90) AS c
                UNION ALL SELECT 'X' || chr(c) FROM generate_series(65, 90) AS c) AS all_codes) AS codes
    WHERE code <> 'XK' AND NOT EXISTS (SELECT FROM geo.country WHERE alpha_2 = code)
    ORDER BY code LIMIT 1
    RETURNING alpha_2
), subdivisions_added AS (
    INSERT INTO geo.subdivision (code, country, parent, type, name, lineage, reviewed_at)
    SELECT alpha_2 || suffix, alpha_2, alpha_2 || parent, 'Province', 'User-assigned ' || alpha_2 || suffix,
        array_remove(ARRAY[alpha_2 || parent, alpha_2 || suffix], NULL), now()
    FROM countries_added, (VALUES ('-1', NULL), ('-1A', '-1'), ('-1B', '-1')) AS units(suffix, parent)
    RETURNING 1
), scripts_added AS (
    INSERT INTO "Reference"."Script" ("Code", "Numeric", "Name", "ReviewedAt")
    SELECT code, (899 + number)::text, 'Private use ' || code, now()
    FROM (SELECT 'Qa' || chr(b) || chr(c) AS code, row_number() OVER (ORDER BY b, c) AS number
          FROM generate_series(97, 98) AS b, generate_series(97, 122) AS c WHERE b = 97 OR c <= 120) AS codes
    WHERE NOT EXISTS (SELECT FROM "Reference"."Script" WHERE "Code" = code)
    ORDER BY code LIMIT 1
    RETURNING 1
), reviews_added AS (
    INSERT INTO public.review (tide, country, note, reviewed_at)
    SELECT :tide, alpha_2, name || ': nothing to change', now()
    FROM geo.country ORDER BY md5(alpha_2 || :tide) LIMIT 3
    RETURNING 1
),
-- Rows in an order that every tide shuffles anew.
languages_edited AS (
    UPDATE public.language SET details = details || jsonb_build_object('tide', :tide), reviewed_at = now()
    WHERE alpha_3 IN (SELECT alpha_3 FROM public.language ORDER BY md5(alpha_3 || :tide) LIMIT 25)
    RETURNING 1
), subdivisions_edited AS (
    UPDATE geo.subdivision SET reviewed_at = now()
    WHERE code IN (SELECT code FROM geo.subdivision ORDER BY md5(code || :tide) LIMIT 15)
    RETURNING 1
), countries_edited AS (
    UPDATE geo.country SET reviewed_at = now()
    WHERE alpha_2 IN (SELECT alpha_2 FROM geo.country ORDER BY md5(alpha_2 || :tide) LIMIT 5)
    RETURNING 1
), currencies_edited AS (
    UPDATE public.currency SET reviewed_at = now()
    WHERE code IN (SELECT code FROM public.currency ORDER BY md5(code || :tide) LIMIT 2)
    RETURNING 1
), renamed AS (
    UPDATE "Reference"."Script" SET "Name" = 'Private use ' || "Code" || ', edition ' || :tide, "ReviewedAt" = now()
    WHERE "Code" IN (SELECT "Code" FROM "Reference"."Script" WHERE "Code" ~ '^Qa[ab]' AND "Code" NOT IN ('Qaaa', 'Qabx')
                     ORDER BY md5("Code" || :tide) LIMIT 2)
    RETURNING 1
)
SELECT :tide,
    (SELECT count(*) FROM languages_added) + (SELECT count(*) FROM countries_added)
        + (SELECT count(*) FROM subdivisions_added) + (SELECT count(*) FROM scripts_added)
        + (SELECT count(*) FROM reviews_added),
    (SELECT count(*) FROM languages_edited) + (SELECT count(*) FROM subdivisions_edited)
        + (SELECT count(*) FROM countries_edited) + (SELECT count(*) FROM currencies_edited)
        + (SELECT count(*) FROM renamed);
