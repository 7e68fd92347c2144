"""How the drivers of clients that leave their user with result files read one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path


def outcomes(path: str | Path) -> Iterator[tuple[str, object]]:
    """Each custom_id with its response body if its status is 200, or else with an error."""
    with Path(path).open() as lines:
        for line in lines:
            result = json.loads(line)
            response = result["response"]
            answered = response and response["status_code"] == 200
            yield result["custom_id"], response["body"] if answered else RuntimeError(line)
