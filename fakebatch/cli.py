"""The command `fakebatch`. Needs the extra `cli`; without it, says how to get it."""

from __future__ import annotations

import sys

HOW_TO_GET_IT = """\
fakebatch: the command line needs typer and rich, which are not installed.
The pytest plugin works without them.
Run: pip install 'fakebatch[cli]'"""


def main() -> None:
    """The console script."""
    try:
        from fakebatch.commands import commands  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        sys.exit(HOW_TO_GET_IT)
    commands()
