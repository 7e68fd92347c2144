"""The pages about dialects match the dialects, and the example of a dialect works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from fakebatch import FakeBatch
from support.dialect_sheets import EVIDENCE_PAGE, PAGE, evidence_page, example, page


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(PAGE, page, id="docs/dialects.md"),
        pytest.param(EVIDENCE_PAGE, evidence_page, id="docs/evidence/dialects.md"),
    ],
)
def test_a_page_is_written_from_the_dialects(path: Path, text: Callable[[], str]) -> None:
    """After a change of a dialect: `python tests/support/dialect_sheets.py`."""
    assert path.read_text("utf-8") == text()


def test_the_example_is_a_dialect(tmp_path: Path) -> None:
    """The TOML file of the page, word for word."""
    path = tmp_path / "gateway.toml"
    path.write_text(example())
    headers = {"authorization": "Bearer x"}
    params = {"input_file_id": "x", "endpoint": "/v1/chat/completions", "completion_window": "3d"}
    with FakeBatch(dialect=path) as fake:
        not_found = httpx.get(f"{fake.base_url}/batches/nowhere", headers=headers)
        batch = httpx.post(f"{fake.base_url}/batches", json=params, headers=headers).json()
        params["completion_window"] = "4d"
        refused = httpx.post(f"{fake.base_url}/batches", json=params, headers=headers)

    assert not_found.status_code == 410
    assert not_found.json() == {"error": {"message": "job nowhere is gone", "code": 410}}
    assert batch["id"].startswith("job_")
    assert refused.status_code == 400
    assert fake.dialects[0].limits.batch_lines == 1_000
    assert fake.dialects[0].facts[0].evidence == "observed"
