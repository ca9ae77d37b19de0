-- The table of the case `narrow`.
CREATE TABLE bench (id bigint PRIMARY KEY, value integer NOT NULL);
