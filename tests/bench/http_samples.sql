-- Where the answers of tidesync_load are kept until they are reported.
CREATE TABLE http_sample (
    nth       int,        -- of the cases, in the order of the table
    case_name text,
    round     int,        -- 0 is the warm-up, and does not count
    server    text,       -- tidesync or node
    document  jsonb
);
