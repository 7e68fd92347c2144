"""Which app answers which address: several providers, found by their base URLs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from fakebatch.dialects import DIALECTS, OPENAI, Dialect, chosen
from fakebatch.errors import UsageError
from fakebatch.wire.app import App, Target
from fakebatch.wire.messages import Request
from fakebatch.wire.operations import route

DialectChoice = str | Path | Dialect
"""A dialect by its name, as a TOML file, or as a value."""


class Base(NamedTuple):
    """A base URL taken apart once."""

    scheme: str
    host: str
    """It may begin with `*.`, for one label."""
    port: int | None
    path: str
    query: tuple[str, ...]
    """Names of parameters that a request has to carry."""

    @classmethod
    def of(cls, url: str) -> Base:
        """The parts of `https://*.example.com/openai?api-version`."""
        scheme, _, path, query, _ = parts = urlsplit(url)
        usual = {"http": 80, "https": 443}.get(scheme)
        return cls(
            scheme,
            parts.hostname or "",
            None if parts.port == usual else parts.port,
            unquote(path).rstrip("/"),
            tuple(name for name, _ in parse_qsl(query, keep_blank_values=True)),
        )


Mount = tuple[str, tuple[str, ...], App]
"""What a path begins with, the parameters it needs, and who answers below."""


class Sites:
    """The apps by every address of their providers.

    Args:
        apps: one for each provider.
        prefix: a path such as `/w/name`. Below it the paths of the base URLs are answered too,
            whatever the host: `http://127.0.0.1:1234/w/name/v1/batches`.

    Raises:
        UsageError: two of them have the same address.
    """

    def __init__(self, apps: Sequence[App], prefix: str = "") -> None:
        self.base_urls = tuple(url for app in apps for url in app.service.dialect.base_urls)
        self.hosts: set[str] = set()
        """Those of the base URLs, some of which may begin with `*.`."""
        self._by_origin: dict[tuple[str, str, int | None], list[Mount]] = {}
        self._below_prefix: list[Mount] = []
        bases, paths = set[Base](), dict[tuple[str, tuple[str, ...]], App]()
        for app in apps:
            for url in app.service.dialect.base_urls:
                base = Base.of(url)
                if base in bases:
                    raise _shared(f"the address {url}")
                bases.add(base)
                self.hosts.add(base.host)
                mounts = self._by_origin.setdefault(base[:3], [])
                mounts.append((base.path + "/", base.query, app))
                if prefix and paths.setdefault((base.path, base.query), app) is not app:
                    raise _shared(f"the path {base.path} below {prefix}")
        if prefix:
            self._below_prefix = [
                (f"{prefix.rstrip('/')}{path}/", query, app) for (path, query), app in paths.items()
            ]

    def find(self, request: Request) -> Target | None:
        """Where a request goes to; None: nobody has this address."""
        scheme, host, port, path = request.scheme, request.host, request.port, request.path
        mounts = self._by_origin.get((scheme, host, port))
        if mounts is None:
            mounts = self._by_origin.get((scheme, f"*.{host.partition('.')[2]}", port), [])
        for beginning, query, app in chain(mounts, self._below_prefix):
            if path.startswith(beginning) and (not query or request.query.keys() >= {*query}):
                below = path[len(beginning) - 1 :]
                return Target(app, below, *route(request.method, below))
        return None


def _shared(what: str) -> UsageError:
    return UsageError(
        f"Two dialects have {what}.",
        "Several dialects are told apart by their addresses.",
        "Name each of them once.",
    )


def providers(
    dialect: DialectChoice | None,
    dialects: list[DialectChoice] | None,
    base_url: str | None,
    limits: dict[str, int] | None,
) -> tuple[Dialect, ...]:
    """The dialects that are meant.

    Raises:
        UsageError: one and several were given, or nobody has such a dialect.
    """
    if dialects is None:
        choices = [OPENAI if dialect is None else dialect]
    elif dialect is None and base_url is None and dialects:
        choices = dialects
    else:
        raise UsageError(
            f"dialects={dialects!r} came with dialect={dialect!r} and base_url={base_url!r}.",
            "Several dialects are told apart by their own addresses; without any there is nothing.",
            "Give dialects alone; one of them at another address is a Dialect or a TOML file.",
        )
    return tuple(chosen(each, DIALECTS, base_url=base_url, limits=limits) for each in choices)
