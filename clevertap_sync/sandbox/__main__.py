"""`python -m clevertap_sync.sandbox --port 9100`: the sandbox alone, without Django."""

import argparse
import sys

from clevertap_sync.sandbox import cli


def main() -> int:
    """Run the sandbox; return the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m clevertap_sync.sandbox",
        description="A strict stand-in for CleverTap's API, on 127.0.0.1.",
    )
    cli.add_arguments(parser)
    options = parser.parse_args()
    try:
        cli.run(**vars(options), write=_write)
    except OSError as exc:
        _write(
            f"The sandbox could not start: {exc}. Choose another --port or --ledger."
        )
        return 1
    return 0


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
