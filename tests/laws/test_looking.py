from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.by_hand import FINALIZING, VALIDATING, WORKING, Act, ByHand, acts, jsonl, request

LATER = (0, 5, 45, 606, 86_400)


def look(at: ByHand, way: int) -> None:
    """One of the ways to look, or all of them."""
    ways = [
        lambda: at.get("/files?limit=1"),
        lambda: at.get("/batches?limit=1"),
        lambda: [at.get(f"/batches/{id_}") for id_ in at.batches],
        lambda: [at.content(id_) for id_ in at.files],
        at.everything,
    ]
    ways[way]()


@given(acts, st.lists(st.integers(0, 4), min_size=15))
def test_who_never_looked_sees_the_same(done: list[Act], looks: list[int]) -> None:
    """Whatever is done, and however it is looked at meanwhile: all is as if nobody had looked."""
    looked_at, left_alone = ByHand(), ByHand()
    for act, way in zip(done, looks, strict=False):
        look(looked_at, way)
        act(looked_at)
        act(left_alone)
    for span in LATER:
        looked_at.now += span
        left_alone.now += span
        look(looked_at, 4)
    assert looked_at.everything() == left_alone.everything()


@given(acts, st.integers(0, 100), st.integers(0, 100))
def test_a_moment_looks_the_same_whenever_it_is_looked_at(
    done: list[Act], back: int, forth: int
) -> None:
    """The clock may go back and forth: what is seen depends on the moment alone."""
    to = ByHand()
    for act in done:
        act(to)
    seen = to.everything()
    for step in (forth, -forth - back, back):
        to.now += step
        last = to.everything()
    assert seen == last


@given(acts, st.binary(max_size=8))
def test_the_same_seed_and_the_same_acts_give_the_same_bytes(done: list[Act], seed: bytes) -> None:
    """Every id, shuffle and answer follows from the seed and what was done."""
    one, other = ByHand(seed), ByHand(seed)
    for act in done:
        act(one)
        act(other)
    assert one.everything() == other.everything()
    assert one.send("GET", "/batches") == other.send("GET", "/batches")


def listed_at_the_end(*, looked_at: bool) -> list[str]:
    """A result file, and an upload of the very moment in which it appeared."""
    to = ByHand()
    to.create(to.upload(jsonl(request("r-0"))))
    to.now += VALIDATING + WORKING + FINALIZING
    if looked_at:
        to.everything()
    to.upload(b"{}")
    return [one["id"] for one in to.get("/files")["data"]]


def test_looking_does_not_change_an_order() -> None:
    """Files of one moment are listed in an order that does not depend on who looked when."""
    assert listed_at_the_end(looked_at=True) == listed_at_the_end(looked_at=False)
