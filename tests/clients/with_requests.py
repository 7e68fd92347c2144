"""requests: uploads, polls, prints the results. Argument: the input file."""

import os
import sys
from pathlib import Path
from typing import Any

import requests

URL, TIMEOUT = os.environ["OPENAI_BASE_URL"], float(os.environ["TIMEOUT"])


def main(path: Path) -> None:
    session = requests.Session()
    session.headers["authorization"] = f"Bearer {os.environ['OPENAI_API_KEY']}"

    def call(method: str, path: str, **options: Any) -> requests.Response:
        response = session.request(method, URL + path, timeout=TIMEOUT, **options)
        response.raise_for_status()
        return response

    with path.open("rb") as opened:
        form = {"data": {"purpose": "batch"}, "files": {"file": opened}}
        file = call("POST", "/files", **form).json()
    params = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = call("POST", "/batches", json={"input_file_id": file["id"], **params}).json()
    while batch["status"] not in ("completed", "failed", "expired", "cancelled"):
        batch = call("GET", f"/batches/{batch['id']}").json()
    sys.stdout.buffer.write(call("GET", f"/files/{batch['output_file_id']}/content").content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
