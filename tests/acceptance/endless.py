"""A test that never ends, with every kind of process around it: for runs that are cut off.

Not collected by itself: test_cut_off_runs.py names it.
"""

import threading


def test_for_ever(make_stack):
    make_stack("sqlite", warm=True).start()

    threading.Event().wait()
