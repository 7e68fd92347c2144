"""The proofs of the catalogue: a module a group, a function an incident, by the same names.

The proof of `results/download-truncated` is `results.download_truncated`. It does what a client
does, and returns whether the symptom was seen on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from inspect import getmembers, isfunction
from typing import Any

import openai

from fakebatch import FakeBatch
from fakebatch.dialects import OPENAI, choose
from fakebatch.rules.catalogue import GROUPS, KnownIncident, named
from support.client import Driver, chat

TEN = [chat(f"row-{number}", f"question {number}") for number in range(10)]


@dataclass(frozen=True)
class Trial:
    """What a proof works with: a service with the incident or, in the same conditions, without."""

    fake: FakeBatch
    do: Driver
    requests: Sequence[dict[str, Any]] = field(default_factory=lambda: TEN)
    """Ten request lines; those of the incident, if it lies in them."""
    kill: tuple[str, ...] = ()
    """The operations after which the client is killed."""


Proof = Callable[[Trial], bool]


@contextmanager
def trial(id_: str, *, happens: bool, **options: Any) -> Iterator[Trial]:
    """A service at which an incident happens, or the same without it."""
    incident = named(id_)
    # an incident without rules or conditions of its own is what a dialect does
    in_dialect = bool(incident.dialects) and (happens or bool(incident.toml))
    dialect = choose(incident.dialects[0]) if in_dialect else OPENAI
    scenario = id_ if happens else ()
    with FakeBatch(incident=scenario, dialect=dialect, unused_rules="ignore", **options) as fake:
        base_url = None if dialect is OPENAI else fake.base_url
        do = Driver(openai.OpenAI(base_url=base_url, api_key="sk-test"), dialect)
        requests, kill = _conditions(incident) if happens else (TEN, ())
        yield Trial(fake, do, requests, kill)


def _conditions(incident: KnownIncident) -> tuple[Sequence[dict[str, Any]], tuple[str, ...]]:
    conditions = incident.gauntlet
    prompts = [chat(f"row-{number}", text) for number, text in enumerate(conditions.prompts)]
    requests = [*map(dict, conditions.requests)]
    return requests or prompts or TEN, tuple(conditions.kill)


def proofs() -> dict[str, Proof]:
    """All proofs by the id of their incident."""
    found: dict[str, Proof] = {}
    for group in GROUPS:
        try:
            module = import_module(f"{__name__}.{group}")
        except ModuleNotFoundError:
            continue  # a group without incidents; one with some is missed by the test
        for name, function in getmembers(module, isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{group}/{name.replace('_', '-')}"] = function
    return found
