-- The plain method, first half: every row of the slave as text.
COPY (
    SELECT id, customer, title, description, price, created_at, updated_at, active, attributes, tags, public_id, note
    FROM bench
) TO STDOUT;
