"""Reconciliation: what CleverTap says that it counts, beside what we delivered.

The only reader of accounts but for the canary and what a person asks. Never part of the
books, nor of an upload's limit.
"""
