from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebatch.dialects import OPENAI, APIError
from fakebatch.durations import SECOND
from fakebatch.service import Service
from fakebatch.service.records import UploadCreateParams
from support.by_hand import T0


class Uploading:
    """One upload of a service of its own, T0 plus so many seconds."""

    def __init__(self, length: int) -> None:
        self.now = T0
        self.service = Service(OPENAI, seed=b"0")
        params = UploadCreateParams("user_data", "f", length)
        self.id = self.service.uploads.create(params, self.at).id

    @property
    def at(self) -> int:
        return self.now * SECOND

    def add(self, content: bytes) -> str:
        return self.service.uploads.add_part(self.id, content, self.at)

    def complete(self, part_ids: list[str]) -> bytes:
        _, file = self.service.uploads.complete(self.id, part_ids, self.at)
        return bytes(self.service.state.files.retrieve(file.id, self.at).content)


@given(st.binary(min_size=1), st.lists(st.integers(0, 100)), st.data())
def test_however_a_file_is_cut_it_is_whole_again(
    content: bytes, cuts: list[int], data: st.DataObject
) -> None:
    """Parts in any order, empty ones too: the order of `part_ids` gives the concatenation."""
    places = sorted({0, *(cut % len(content) for cut in cuts), len(content)})
    pieces = dict(enumerate(content[a:b] for a, b in pairwise(places)))
    uploading = Uploading(len(content))
    came = data.draw(st.permutations(list(pieces)))
    ids = {number: uploading.add(pieces[number]) for number in came}
    assert uploading.complete([ids[number] for number in pieces]) == content


@given(st.lists(st.binary(), min_size=1), st.data())
def test_the_order_of_the_ids_is_the_order_of_the_bytes(
    pieces: list[bytes], data: st.DataObject
) -> None:
    """Any order and any choice of the parts is a file, if its length is the one declared."""
    chosen = data.draw(st.lists(st.sampled_from(range(len(pieces))), unique=True))
    wanted = b"".join(pieces[number] for number in chosen)
    uploading = Uploading(len(wanted))
    ids = [uploading.add(piece) for piece in pieces]
    assert uploading.complete([ids[number] for number in chosen]) == wanted


@given(st.integers(0, 7_200))
def test_an_upload_is_open_for_an_hour_to_the_second(seconds: int) -> None:
    """Whether it takes a part depends on the moment alone."""
    uploading = Uploading(1)
    uploading.now += seconds
    if seconds < 3_600:
        assert uploading.complete([uploading.add(b"x")]) == b"x"
    else:
        with pytest.raises(APIError):
            uploading.add(b"x")
