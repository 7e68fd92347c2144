"""From what a test says to the dialect it means: a name, a value, or a file of one's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, astuple
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fakebatch.dialects.base import Dialect
from fakebatch.dialects.beyond import BEYOND
from fakebatch.dialects.facts import documented
from fakebatch.errors import UsageError
from fakebatch.ids import Mint


def chosen(
    given: str | Path | Dialect,
    known: Mapping[str, Dialect],
    *,
    base_url: str | None = None,
    limits: Mapping[str, int | None] | None = None,
) -> Dialect:
    """The dialect that is meant, at another address and with other limits if so told.

    Raises:
        UsageError: nobody has such a dialect, limit or address, or the file does not say one.
    """
    dialect = _named(given, known) if isinstance(given, str | Path) else given
    dialect = dialect.set(limits=limits or {})
    return dialect if base_url is None else dialect.set(base_urls=(_address(base_url, dialect),))


def _named(name: str | Path, known: Mapping[str, Dialect]) -> Dialect:
    if isinstance(name, Path) or name.endswith(".toml"):
        return from_toml(Path(name), known)
    if name in known:
        return known[name]
    if name in BEYOND:
        raise UsageError(
            f"The API of {name!r} cannot be a dialect.",
            f"It is another one: {BEYOND[name]}.",
            "Mock it with respx routes of your own; the fixture leaves them alone.",
        )
    raise UsageError(
        f"There is no dialect {name!r}.",
        f"Known are {', '.join(map(repr, known))}.",
        "Name one of these, a TOML file or a Dialect; base_url='…' puts it at another address.",
    )


def _address(base_url: str, dialect: Dialect) -> str:
    if not base_url.startswith(("http://", "https://")):
        raise UsageError(
            f"base_url={base_url!r} is no address.",
            f"The provider's own is {dialect.base_urls[0]}.",
            "Write it with its scheme: base_url='http://localhost:8000/v1'.",
        )
    return base_url.rstrip("/")


def from_toml(path: Path, known: Mapping[str, Dialect]) -> Dialect:
    """A dialect of one's own: `name`, `like` (the dialect it is a copy of), and what differs.

    Raises:
        UsageError: there is no such file, or it does not say a dialect.
    """
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    like = said.pop("like", "openai")
    if like not in known:
        raise _unreadable(path, f"like = {like!r} is none of {', '.join(map(repr, known))}")
    name = str(said.pop("name", path.stem))
    own = known[like].derive(name, str(said.pop("title", name)), documented(path.name, **said))
    return _checked(own, path)


def _checked(own: Dialect, path: Path) -> Dialect:
    """The dialect with every value of its declared type, so that `["a"]` is a tuple."""
    try:
        checked: Dialect = TypeAdapter(Dialect).validate_python(asdict(own))
        for form in astuple(checked.ids):
            Mint(b"").made(form, 0)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise _unreadable(path, f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from error
    except KeyError as error:
        raise _unreadable(path, f"an id has no form {error}") from error
    return checked


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{str(path)!r} is no dialect: {why}",
        "A dialect is a TOML file with a name, like = 'openai', and the knobs that differ.",
        "docs/dialects.md has every knob, and an example.",
    )
