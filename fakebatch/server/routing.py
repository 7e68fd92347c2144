"""The table of the control plane: what a route is, and how a function becomes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_type_hints


class Route(NamedTuple):
    """One route of the control plane."""

    method: str
    path: str
    """The part after the prefix; `{id}` stands for one part."""
    handle: Callable[..., Any]
    """Takes those of `worlds`, `world`, `id`, `body` and `query` that it needs."""
    takes: Mapping[str, Any]
    """Their classes."""
    answer: Any
    """The class of the answer; `Iterator` stands for server-sent events."""
    status: int

    @property
    def is_global(self) -> bool:
        """Whether it is the same for all worlds."""
        return "world" not in self.takes


ROUTES: list[Route] = []


def route(
    method: str, path: str, *, status: int = 200
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds a function to ROUTES."""

    def add(handle: Callable[..., Any]) -> Callable[..., Any]:
        takes = get_type_hints(handle)
        answer = takes.pop("return")
        ROUTES.append(Route(method, path, handle, takes, answer, status))
        return handle

    return add


class NotFoundError(Exception):
    """There is no object with the id of the request."""
