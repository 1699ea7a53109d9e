"""Learning who is who, and who invited whom last. Pure: `people` keeps what is learned.

A *key* is a provider whose identities name one person; a *loose ID* is one that comes before
sign-up, such as `anonymous_id`. Links go one hop, from an identity to a person. Read in this
order: `blocklist` says which values name nobody, `mentions` what of a side can be learned,
`known` what is known, `learner` learns in the order of the log, `referrers` remembers who
invited whom.
"""
