"""The statements that a delivery composes itself. They are apart because they are hard to read.

The ORM takes up to a millisecond of CPU to compose a statement that the database carries
out in a tenth of that, and every upload needs the same few (ADR 13). Read `row_writer`
first: it reads and writes single rows as the ORM would. `account_state` reads what a claim
decides by, and `upload_functions` leases, begins and settles an upload: on PostgreSQL these are
functions in the database (ADR 64, 68, 70). `open_floor` keeps that query quick while some transaction stays
open. `new_letters` inserts the dead letters of an upload, and whom they wait for;
`waiting_rows` writes what became known of a thousand waiting records at once.
"""
