"""The operations of one provider, named as the SDK names them."""

from __future__ import annotations

from collections.abc import Callable

from fakebatch.dialects import Dialect
from fakebatch.service.batches import Batches
from fakebatch.service.files import Files
from fakebatch.service.models import Models
from fakebatch.service.uploads import Uploads
from fakebatch.service.world import World

__all__ = ["Service", "World"]


class Service:
    """One provider. Thread-safe: operations happen one after the other.

    Args:
        dialect: what the provider says and allows.
        clock: the time, in microseconds since the epoch.
        seed: decides every id and shuffle.
        models: the models that exist; None: every plausible name does.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        clock: Callable[[], int],
        seed: bytes,
        models: frozenset[str] | None = None,
    ) -> None:
        self.world = World(dialect, clock=clock, seed=seed, models=models)
        self.files = Files(self.world)
        self.uploads = Uploads(self.world, self.files)
        self.batches = Batches(self.world)
        self.models = Models(self.world)
