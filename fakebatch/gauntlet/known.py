"""Known failures of a client: a TOML file in its repository, with a reason for each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar

from fakebatch.errors import UsageError
from fakebatch.rules import catalogue
from fakebatch.rules.rule import CONFIG
from fakebatch.rules.validation import validated


@dataclass(frozen=True, slots=True)
class KnownFailures:
    """What is known of a client."""

    __pydantic_config__ = CONFIG
    example: ClassVar[str] = '[fails]\n"results/download-truncated" = "example/client#12"'

    fails: Mapping[str, str] = field(default_factory=dict[str, str])
    """The incidents that it fails, by id, and why it does."""
    not_run: Mapping[str, str] = field(default_factory=dict[str, str])
    """Incidents that are out of its scope, by id or glob, and where it says so."""

    def __post_init__(self) -> None:
        ids = catalogue.known()
        for name in (*self.fails, *self.not_run):
            is_glob = name not in self.fails and any(fnmatchcase(id_, name) for id_ in ids)
            if name not in ids and not is_glob:
                raise UsageError(
                    f"There is no incident {name!r}, of which a failure is known.",
                    "Failures are listed by id: results/download-truncated; [not_run] takes globs.",
                    "Correct the name, or remove it: `fakebatch incidents` lists all.",
                )

    def skipped(self, id_: str) -> str | None:
        """Why an incident is not run; None: it is run."""
        return next(
            (why for pattern, why in self.not_run.items() if fnmatchcase(id_, pattern)), None
        )


Known = KnownFailures | Mapping[str, str] | str | Path | None
"""What is known: a file, or a mapping from the ids of incidents that fail to reasons."""


def known_failures(known: Known) -> KnownFailures:
    """What is known of a client.

    Raises:
        UsageError: the file cannot be read, has an unknown name, or lists an unknown incident.
    """
    match known:
        case None:
            return KnownFailures()
        case KnownFailures():
            return known
        case str() | Path():
            return _read(Path(known))
        case _:
            return KnownFailures(fails=known)


def _read(path: Path) -> KnownFailures:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as a list of known failures: {error}.",
            "It is a TOML file with the tables [fails] and [not_run].",
            f"Write for example {KnownFailures.example}.",
        ) from None
    result: KnownFailures = validated(KnownFailures, data, str(path))
    return result
