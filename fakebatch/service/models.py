"""`models.*` and the direct calls that batch clients make beside their batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakebatch.batch.answering import Answered, answer
from fakebatch.batch.choosing import Choices
from fakebatch.batch.validation import ASKS, is_plausible_model
from fakebatch.dialects import ErrorKind, APIError
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.service import view
from fakebatch.service.view import Wire
from fakebatch.service.world import World


class Models:
    """The models of a provider, and what they answer."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask(self, endpoint: str, body: Mapping[str, Any]) -> Answered:
        """A direct call: what a line of a batch with this body would get."""
        line = RequestLine(None, None, endpoint, body)
        if not line.model:
            raise APIError(ErrorKind.NO_MODEL)
        asks = ASKS[endpoint]
        if all(body.get(name) is None for name in asks):
            raise APIError(ErrorKind.MISSING, name=asks[0])
        self._check(line.model)
        with self._world.lock:
            mint = Mint(self._world.mint.digest("direct", self._world.next(), size=32))
            world = self._world
            decision = Choices(world.scenario, 1, mint).decide(line)
            self._world.used.update(map(id, decision.rules))
            return answer(line, decision.outcome, world.dialect, mint, world.clock())

    def list(self) -> Wire:
        """The models known by name."""
        snapshots = self._world.dialect.snapshots
        offered = self._world.dialect.batch_models
        known = self._world.models or {*offered, *snapshots, *snapshots.values()}
        return {"object": "list", "data": [view.model_object(name) for name in sorted(known)]}

    def retrieve(self, id_: str) -> Wire:
        """A model's object."""
        self._check(id_)
        return view.model_object(id_)

    def _check(self, model: str) -> None:
        known = self._world.models
        if not (is_plausible_model(model) if known is None else model in known):
            raise APIError(ErrorKind.NO_SUCH_MODEL, id=model)
