"""Tells the guard about this process, then becomes the command in its arguments.

A child that registered itself before it does anything cannot be missed by the guard,
whenever the supervisor dies. Arguments: the guard's file descriptor, the command.

A script of its own that imports the standard library only, so that it starts fast.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Register, undo what Python did to the signals, and become the command."""
    guard, command = int(sys.argv[1]), sys.argv[2:]
    with contextlib.suppress(OSError):  # the supervisor tells a new guard
        os.write(guard, b"+%d\n" % os.getpid())
    os.close(guard)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the supervisor's own commands
    except OSError as error:
        sys.exit(f"Cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
