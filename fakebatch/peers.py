"""Several providers in one fake: which were meant, a service and an app for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fakebatch.dialects import DIALECTS, OPENAI, Dialect, chosen
from fakebatch.errors import Misuse
from fakebatch.service import Service
from fakebatch.wire.app import App

Meant = str | Path | Dialect
"""A dialect by its name, as a TOML file, or as a value."""


def providers(
    dialect: Meant | None,
    dialects: list[Meant] | None,
    base_url: str | None,
    limits: dict[str, int] | None,
) -> tuple[Dialect, ...]:
    """The dialects that are meant.

    Raises:
        Misuse: one and several were given, or nobody has such a dialect.
    """
    if dialects is None:
        given = [OPENAI if dialect is None else dialect]
    elif dialect is None and base_url is None and dialects:
        given = dialects
    else:
        raise Misuse(
            f"dialects={dialects!r} came with dialect={dialect!r} and base_url={base_url!r}.",
            "Several dialects are told apart by their own addresses; without any there is nothing.",
            "Give dialects alone; one of them at another address is a Dialect or a TOML file.",
        )
    return tuple(chosen(one, DIALECTS, base_url=base_url, limits=limits) for one in given)


def services(
    dialects: tuple[Dialect, ...], seed: bytes, models: list[str] | None
) -> tuple[Service, ...]:
    """A service for each: the first as if it were alone; no two make the same ids."""
    seeds = [seed, *(b"%b/%d" % (seed, number) for number in range(1, len(dialects)))]
    known = None if models is None else frozenset(models)
    return tuple(
        Service(one, seed=own, models=known) for one, own in zip(dialects, seeds, strict=True)
    )


def by_address(apps: Sequence[App]) -> dict[str, App]:
    """The apps by every address of their providers.

    Raises:
        Misuse: two of them have the same address.
    """
    found: dict[str, App] = {}
    for app in apps:
        for base_url in app.service.dialect.base_urls:
            if base_url in found:
                raise Misuse(
                    f"Two dialects have the address {base_url}.",
                    "Several dialects are told apart by their addresses.",
                    "Name each of them once.",
                )
            found[base_url] = app
    return found
