"""The command `fakebatch`. It needs the extra `cli`; without it, a message says how to get it."""

from __future__ import annotations

import sys

MISSING = """\
fakebatch: The command line needs typer and rich, which are not installed.
The pytest plugin works without them.
Run: pip install 'fakebatch[cli]'"""


def main() -> None:
    """The console script, and `python -m fakebatch`."""
    try:
        from fakebatch.cli.commands import app  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        sys.exit(MISSING)
    app(prog_name="fakebatch")
