"""Breaks what decides, one place at a time, and tells which breaks no test notices.

`python -m tests.mutants` (`make mutants`) takes these steps:

* `places` names the modules, and which of their functions decide.
* `operators` lists every way to break one line of them: a mutant.
* `covering` knows from one run of all tests which of them run that line.
* `runner` breaks the line in a fork of a warm pytest, and runs those tests there.
* `results` keeps what became of each mutant, and sums it up.

Nothing is written into the tree: the broken code is in the memory of the fork alone.
"""
