"""The command `fakebatch`. It needs the extra `cli`."""

from __future__ import annotations

import sys

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
    app(prog_name="fakebatch")
