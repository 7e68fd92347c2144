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
from fakebatch.rules.catalogue import GROUPS, Conditions, named
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
    """A service at which an incident happens, or the same without it.

    An incident is its rules; one without rules is its requests, the death of the client, or else
    its dialect.
    """
    incident = named(id_)
    conditions = incident.gauntlet
    has_dialect = incident.toml or conditions.requests or conditions.prompts or conditions.kill
    dialect = OPENAI
    if incident.dialects and (happens or has_dialect):
        dialect = choose(incident.dialects[0])
    scenario = incident.with_parameters({}) if happens else ()
    with FakeBatch(incident=scenario, dialect=dialect, unused_rules="ignore", **options) as fake:
        base_url = None if dialect is OPENAI else fake.base_url
        do = Driver(openai.OpenAI(base_url=base_url, api_key="sk-test"), dialect)
        requests = _requests(conditions) if happens or incident.toml else TEN
        yield Trial(fake, do, requests, tuple(conditions.kill) if happens else ())


def _requests(conditions: Conditions) -> Sequence[dict[str, Any]]:
    prompts = [chat(f"row-{number}", text) for number, text in enumerate(conditions.prompts)]
    return [*map(dict, conditions.requests)] or prompts or TEN


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
