"""Finds dialects by name, and loads them from TOML files, ours as well as a user's."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any, Literal
from urllib.parse import urlsplit

from fakebatch.data_files import decoded
from fakebatch.dialects.dialect import Dialect, Fact
from fakebatch.dialects.errors import ErrorCode
from fakebatch.dialects.settings import address, build, checked, refusal
from fakebatch.dialects.template import Sentence
from fakebatch.errors import UsageError

_ABOUT: tuple[str, ...] = ("what", "evidence", "source")
"""The keys of a [[fact]] that are not settings."""

_UNSUPPORTED = Path(__file__).with_name("unsupported.toml")


class _Dialects(Mapping[str, Dialect]):
    """The dialects by name; a file is read when it is first used."""

    def __init__(self) -> None:
        files = sorted(Path(__file__).parent.glob("*.toml"))
        self._paths = {path.stem: path for path in files if path != _UNSUPPORTED}
        self._loaded: dict[str, Dialect] = {}

    def __getitem__(self, name: str) -> Dialect:
        if name not in self._loaded:
            self._loaded[name] = load(self._paths[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


DIALECTS = _Dialects()

DialectName = Literal[
    "azure",
    "compatible",
    "dashscope",
    "deepinfra",
    "doubleword",
    "groq",
    "litellm",
    "moonshot",
    "nebius",
    "ogx",
    "openai",
    "openai-2024",
    "parasail",
    "perplexity",
    "siliconflow",
    "zhipu",
]
"""The names of the dialects, for type checkers."""


def at_host(host: str) -> str | None:
    """The first dialect, by name, with an address at a host; None if there is none."""
    hosts = {host, f"*.{host.partition('.')[2]}"}
    for name, dialect in DIALECTS.items():
        if not hosts.isdisjoint(urlsplit(url).hostname for url in dialect.base_urls):
            return name
    return None


def choose(
    choice: str | Path | Dialect,
    *,
    base_url: str | None = None,
    limits: Mapping[str, int | None] | None = None,
) -> Dialect:
    """The dialect of a name, a TOML file or a value; `base_url` and `limits` replace its own.

    Raises:
        UsageError: there is no such dialect or limit, or the dialect or the URL is invalid.
    """
    if isinstance(choice, Dialect):
        dialect = choice
        _check_errors(dialect, f"Dialect {dialect.name!r}")
    elif isinstance(choice, Path) or str(choice).endswith(".toml"):
        dialect = load(Path(choice))
        _check_errors(dialect, repr(str(choice)))
    elif choice in DIALECTS:
        dialect = DIALECTS[choice]
    elif choice in (reasons := unsupported()):
        raise UsageError(
            f"{choice!r} cannot be a dialect.",
            f"Its API is a different one: {reasons[choice]}.",
            "Mock it with respx routes of your own, which fakebatch leaves alone.",
        )
    else:
        raise UsageError(
            f"There is no dialect {choice!r}.",
            f"Known are {', '.join(map(repr, DIALECTS))}.",
            "Give one of these, or a TOML file that is `like` one and has another address.",
        )
    if limits:
        dialect = dialect.set(limits=limits)
    if base_url is not None:
        url = checked(address, base_url.rstrip("/"), (f"base_url={base_url!r}",))
        dialect = replace(dialect, base_urls=(url,))
    return dialect


def unsupported() -> dict[str, str]:
    """Providers that have a different API, with the difference."""
    return tomllib.loads(_UNSUPPORTED.read_text("utf-8"))


def load(path: Path) -> Dialect:
    """The dialect in a TOML file: the one that it is `like`, changed by its settings and facts.

    Raises:
        UsageError: there is no such file, or a setting is unknown or invalid.
    """
    source = repr(str(path))
    try:
        table: dict[str, Any] = tomllib.loads(decoded(path.read_bytes()))
    except (OSError, ValueError) as error:
        known = "A dialect file has what differs from the dialect that it is `like`."
        raise refusal((source,), f"it cannot be read: {error}", known) from error
    like: Any = table.pop("like", "openai")
    facts: list[dict[str, Any]] = table.pop("fact", [])
    if like not in ["", *DIALECTS]:
        known = f"Known are {', '.join(map(repr, DIALECTS))}."
        raise refusal((source,), f"like = {like!r} is not a dialect", known)
    if "facts" in table or type(facts) is not list or {*map(type, facts)} - {dict}:
        known = "Each fact is a table that begins with [[fact]]."
        raise refusal((source,), "its facts have another form", known)
    named = {"name": path.stem, "title": table.get("name", path.stem)}
    own: dict[str, Any] = {
        "facts": [],
        "unknown": [],
        "left_out": [],
        "body_checks": "basics",
    }  # not inherited
    table = {**named, **own, **table}
    dialect = build(Dialect, table, source, like=DIALECTS[like] if like else None)
    for number, settings in enumerate(facts, 1):
        place = f"{source}, [[fact]] {number}"
        about = {name: settings.pop(name) for name in _ABOUT if name in settings}
        fact = build(Fact, {**about, "settings": settings}, place)
        dialect = build(Dialect, settings, place, like=dialect)
        dialect = replace(dialect, facts=(*dialect.facts, fact))
    return dialect


def _check_errors(dialect: Dialect, source: str) -> None:
    """Check that the names in braces are those of OpenAI's errors: there are no other values.

    Raises:
        UsageError: an error uses another name.
    """
    for table in ("errors", "batch_errors", "line_errors"):
        openai = getattr(DIALECTS["openai"], table)
        for kind, error in getattr(dialect, table).items():
            words = f"{openai[kind].message}{openai[kind].param}" if kind in openai else ""
            words += "{value}" if kind is ErrorCode.BAD_URL else ""  # not in OpenAI's message
            names = {name for _, name, *_ in Formatter().parse(words) if name}
            for part in ("message", "param"):
                place = (source, table, str(kind), part)
                checked(Sentence(*sorted(names)), getattr(error, part) or "", place)
