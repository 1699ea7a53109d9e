"""What the tests stand on: real databases, a real broker, real processes.

Knows nothing of the product beyond its commands, its settings and its HTTP interface.
"""
