"""Keeps the delivery's tables small. Read `tallies` first: `retention` takes from them."""
