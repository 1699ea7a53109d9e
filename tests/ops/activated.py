"""Becomes a program that has a listening socket from systemd: `activated.py FD PROGRAM …`.

Reference: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
"""

import os
import sys

FIRST = 3

if __name__ == "__main__":
    os.dup2(int(sys.argv[1]), FIRST)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - as systemd does it
