"""docs/dialects.md is what the values say, and its example works."""

from __future__ import annotations

from pathlib import Path

import httpx

from fakebatch import FakeBatch
from support.dialect_sheets import PAGE, example, page


def test_the_page_is_written_from_the_values() -> None:
    """After a change of one: `python tests/support/dialect_sheets.py`."""
    assert PAGE.read_text("utf-8") == page()


def test_the_example_is_a_dialect(tmp_path: Path) -> None:
    """The TOML file of the page, word for word."""
    path = tmp_path / "gateway.toml"
    path.write_text(example())
    headers = {"authorization": "Bearer x"}
    asked = {"input_file_id": "x", "endpoint": "/v1/chat/completions", "completion_window": "3d"}
    with FakeBatch(dialect=str(path)) as fake:
        gone = httpx.get(f"{fake.base_url}/batches/nowhere", headers=headers)
        batch = httpx.post(f"{fake.base_url}/batches", json=asked, headers=headers).json()
        asked["completion_window"] = "4d"
        refused = httpx.post(f"{fake.base_url}/batches", json=asked, headers=headers)

    assert gone.status_code == 410
    assert gone.json() == {"error": {"message": "job nowhere is gone", "code": 410}}
    assert batch["id"].startswith("job_")
    assert refused.status_code == 400
    assert fake.dialects[0].limits.batch_lines == 1_000
    assert fake.dialects[0].facts[0].evidence == "observed"
