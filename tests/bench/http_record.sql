-- Adds what tidesync_load printed. :nth :case :round :server :document
INSERT INTO http_sample VALUES (:nth, :'case', :round, :'server', :'document'::jsonb);
