"""The statements that a delivery composes itself, apart because they are hard to read.

The ORM takes up to a millisecond of CPU to compose a statement that the database carries
out in a tenth of that, and every upload needs the same few (ADR 13). Read `row_writer`
first: single rows, read and written as the ORM would. `account_state` is the one question
of a claim, and `open_floor` the hint that keeps it quick while some transaction stays open.
"""
