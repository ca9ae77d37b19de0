-- The tables of the demo, the same on both sides. A bit of everything that schemas in use have: several namespaces,
-- mixed-case names, a column named like a type, enums, arrays, jsonb, generated and identity columns, composite keys,
-- foreign keys across namespaces and to the table itself.

CREATE SCHEMA geo;
CREATE SCHEMA "Reference";

CREATE TABLE geo.country (
    alpha_2       char(2) PRIMARY KEY,
    alpha_3       char(3) NOT NULL UNIQUE,
    "numeric"     char(3) NOT NULL UNIQUE,
    name          text NOT NULL,
    official_name text,
    common_name   text,
    flag          text,
    search_name   text GENERATED ALWAYS AS (lower(name || coalesce(' ' || common_name, ''))) STORED,
    reviewed_at   timestamptz NOT NULL
);

CREATE TABLE geo.former_name (
    country       char(2) REFERENCES geo.country,
    until_year    smallint,
    name          text NOT NULL,
    official_name text,
    PRIMARY KEY (country, until_year)
);

CREATE TABLE geo.subdivision (
    code        text PRIMARY KEY,
    country     char(2) NOT NULL REFERENCES geo.country,
    parent      text REFERENCES geo.subdivision,
    type        text NOT NULL,
    name        text NOT NULL,
    lineage     text[] NOT NULL,  -- from the outermost subdivision down to this one
    reviewed_at timestamptz NOT NULL
);
CREATE INDEX ON geo.subdivision (country);
CREATE INDEX ON geo.subdivision (parent);

CREATE TABLE public.currency (
    code        char(3) PRIMARY KEY,
    "numeric"   char(3) NOT NULL UNIQUE,
    name        text NOT NULL,
    reviewed_at timestamptz NOT NULL
);

CREATE TYPE public.language_scope AS ENUM ('individual', 'macrolanguage', 'special');
CREATE TYPE public.language_status AS ENUM ('living', 'extinct', 'ancient', 'historical', 'constructed', 'special');
CREATE TABLE public.language (
    alpha_3     char(3) PRIMARY KEY,
    alpha_2     char(2) UNIQUE,
    scope       public.language_scope NOT NULL,
    status      public.language_status NOT NULL,
    name        text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}',
    search_name text GENERATED ALWAYS AS (lower(name)) STORED,
    reviewed_at timestamptz NOT NULL
);

CREATE TABLE "Reference"."Script" (
    "Code"       char(4) PRIMARY KEY,
    "Numeric"    char(3) NOT NULL,
    "Name"       text NOT NULL,
    "OtherNames" text[],
    "ReviewedAt" timestamptz NOT NULL
);

-- What the editors did, by hand or by tide.sql. Tide 0 is the first load.
CREATE TABLE public.review (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tide        int NOT NULL,
    country     char(2) NOT NULL REFERENCES geo.country,
    note        text NOT NULL,
    reviewed_at timestamptz NOT NULL
);
