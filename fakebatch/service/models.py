"""`models.*` and the direct calls that batch clients make beside their batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakebatch.batch.input_file import ASKS, is_plausible_model
from fakebatch.batch.matching import RuleMatcher
from fakebatch.batch.responding import LineResponse, respond
from fakebatch.dialects import APIError, ErrorKind
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.service import view
from fakebatch.service.state import State
from fakebatch.service.view import Wire


class Models:
    """The models of a provider, and what they answer."""

    def __init__(self, state: State) -> None:
        self._state = state

    def ask(self, endpoint: str, body: Mapping[str, Any], now: int) -> LineResponse:
        """A direct call: what a line of a batch with this body would get."""
        line = RequestLine(None, None, endpoint, body)
        if not line.model:
            raise APIError(ErrorKind.NO_MODEL)
        asks = ASKS[endpoint]
        if all(body.get(name) is None for name in asks):
            raise APIError(ErrorKind.MISSING, name=asks[0])
        self._check(line.model)
        state = self._state
        mint = Mint(state.mint.digest("direct", state.next_number(), size=32))
        outcome = RuleMatcher(state.scenario, 1, mint).outcome(line)
        state.hit("on", outcome.rules)
        return respond(line, outcome.result, state.dialect, mint, now)

    def list(self) -> Wire:
        """The models known by name."""
        snapshots = self._state.dialect.snapshots
        offered = self._state.dialect.batch_models
        known = self._state.models or {*offered, *snapshots, *snapshots.values()}
        return {"object": "list", "data": [view.model_object(name) for name in sorted(known)]}

    def retrieve(self, id_: str) -> Wire:
        """A model's object."""
        self._check(id_)
        return view.model_object(id_)

    def _check(self, model: str) -> None:
        known = self._state.models
        if not (is_plausible_model(model) if known is None else model in known):
            raise APIError(ErrorKind.NO_SUCH_MODEL, id=model)
