"""The loop that everybody writes first. It works on a good day.

python naive_client.py requests.jsonl answers.jsonl
"""

import json
import os
import sys
import time

import openai


def run(requests: list[dict]) -> dict[str, str]:
    """The answers to request lines, by custom_id."""
    client = openai.OpenAI()
    content = "\n".join(json.dumps(request) for request in requests)
    file = client.files.create(file=("requests.jsonl", content.encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint=requests[0]["url"], completion_window="24h"
    )
    while batch.status != "completed":
        time.sleep(float(os.environ.get("POLL_INTERVAL", "60")))
        batch = client.batches.retrieve(batch.id)
    answers = {}
    for line in client.files.content(batch.output_file_id).text.splitlines():
        result = json.loads(line)
        message = result["response"]["body"]["choices"][0]["message"]
        answers[result["custom_id"]] = message["content"]
    return answers


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        requests = [json.loads(line) for line in file]
    answers = run(requests)
    with open(sys.argv[2], "w") as file:
        for custom_id, answer in answers.items():
            file.write(json.dumps({"custom_id": custom_id, "answer": answer}) + "\n")
