"""The command `fakebatch`. It needs the extra `cli`."""

from __future__ import annotations

import sys
from io import TextIOWrapper

MISSING = """\
fakebatch: The command needs typer and rich, which are not installed.
The pytest plugin works without them.
Run: pip install 'fakebatch[cli]'"""


def main() -> None:
    """Run the command; for the console script and `python -m fakebatch`."""
    try:
        from fakebatch.cli.commands import app  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        sys.exit(MISSING)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal or a locale without UTF-8
            stream.reconfigure(errors="replace")
    app(prog_name="fakebatch")
