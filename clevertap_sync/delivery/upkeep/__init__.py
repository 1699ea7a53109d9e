"""Keeps the delivery's tables small. Read `tallies` first: `retention` takes from them.

`delivered_counts` adds up what a comparison with CleverTap needs, beside both.
"""
