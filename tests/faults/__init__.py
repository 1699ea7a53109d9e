"""What dies, hangs, fills up or lies, in real processes, and that nothing is lost by it.

`oracle` says what must be true afterwards, `evidence` gathers what is. A test breaks
something (a process, the network, CleverTap), heals it, waits until all is quiet, and
asks the oracle.
"""
