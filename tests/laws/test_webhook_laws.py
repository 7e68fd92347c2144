from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fakebatch.batch.lifecycle import NEVER
from fakebatch.durations import SECOND
from fakebatch.service.records import Event
from fakebatch.webhooks.webhooks import Outbox
from support.by_hand import CANCELLING, Act, ByHand, acts

ENDS = ("completed", "failed", "expired", "cancelled")
End = tuple[str, str, int]
"""A batch, how it ended, when."""


def ends_of(events: list[Event]) -> list[End]:
    """What events say."""
    bodies = [json.loads(event.body) for event in events]
    return [(body["data"]["id"], body["type"], body["created_at"]) for body in bodies]


def ended(world: ByHand) -> list[End]:
    """What a client sees of batches that have ended."""
    seen = [world.get(f"/batches/{id_}") for id_ in world.batches]
    over = [(batch, batch["status"]) for batch in seen if batch["status"] in ENDS]
    return [(batch["id"], f"batch.{status}", batch[f"{status}_at"]) for batch, status in over]


@given(acts, st.lists(st.booleans(), min_size=15))
def test_each_end_has_one_event_whenever_one_looks(done: list[Act], looks: list[bool]) -> None:
    """The events are the ends that a client sees, in the order in which they came."""
    world = ByHand()
    outbox = Outbox(world.app.service.state)
    heard: list[End] = []
    for act, look in zip(done, looks, strict=False):
        act(world)
        heard += ends_of(outbox.due(world.now * SECOND)) if look else []
    heard += ends_of(outbox.due(world.now * SECOND))

    assert sorted(heard) == sorted(ended(world))
    assert [at for *_, at in heard] == sorted(at for *_, at in heard)
    world.now += 30 * 86_400
    later = ends_of(outbox.due(world.now * SECOND))
    assert sorted(heard + later) == sorted(ended(world))


@given(acts, st.integers(0, CANCELLING))
def test_the_next_look_is_never_too_late(done: list[Act], early: int) -> None:
    """Before that moment nothing is due; after looks at all such moments nothing is left."""
    world = ByHand()
    outbox = Outbox(world.app.service.state)

    def due() -> list[Event]:
        return outbox.due(world.now * SECOND, lambda _: early * SECOND)

    for act in done:
        act(world)
    heard = due()
    while (look := outbox.next_look()) != NEVER:
        world.now = look // SECOND - 1
        assert due() == []
        world.now = look // SECOND
        heard += due()
    assert len({event.batch_id for event in heard}) == len(heard) == len(world.batches)
