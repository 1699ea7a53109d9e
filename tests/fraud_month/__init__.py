"""A made-up month of installs with planted frauds: what the fraud rules find, and what falsely.

    scenes   who installs, from where, and when: honest people and frauds
    month    the scenes in the order of time, judged in batches as the log does
    table    what was found, as `docs/fraud.md` shows it

`python -m tests.fraud_month` plays a million installs and writes the tables into
`docs/fraud.md`; a number plays about so many, and prints them.
"""
