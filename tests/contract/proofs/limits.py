"""Proofs: quotas, rate limits and billing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai

from contract.proofs import Trial
from support.client import jsonl


def enqueued_token_limit(trial: Trial) -> bool:
    """Two batches of one file fail for the limit, and a third is completed."""
    uploaded = trial.do.upload(trial.requests)
    batches = [
        trial.do(trial.do.client.batches.create, input_file_id=uploaded.id, **trial.do.usual)
        for _ in range(3)
    ]
    ended = [trial.do.poll(batch)[-1] for batch in batches]
    codes = [batch.errors.data[0].code for batch in ended if batch.errors]
    return [batch.status for batch in ended] == ["failed", "failed", "completed"] and codes == [
        "token_limit_exceeded"
    ] * 2


def rate_limited_429(trial: Trial) -> bool:
    """Each step is refused, and works after Retry-After.

    The SDK does not retry after so long a pause; that of 1.x does, after a shorter one of its own.
    """
    client, waited = trial.do.client.with_options(max_retries=0), list[str]()

    def insist(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        while True:
            try:
                return trial.do(call, *args, **kwargs)
            except openai.RateLimitError as error:
                waited.append(error.response.headers["retry-after"])
                trial.do.sleep(float(waited[-1]))

    file = ("in.jsonl", jsonl(trial.requests))
    uploaded = insist(client.files.create, file=file, purpose="batch")
    created = insist(client.batches.create, input_file_id=uploaded.id, **trial.do.usual)
    insist(client.batches.retrieve, created.id)
    return waited == ["300"] * 5


def file_quota_exhausted(trial: Trial) -> bool:
    """The first upload is refused already."""
    try:
        trial.do.upload(trial.requests)
    except openai.BadRequestError as error:
        return "quota of 0 batch files" in error.message
    return False


def billing_stop(trial: Trial) -> bool:
    """Some lines fail for the quota, and then every batch does."""
    first, *others = [trial.do.run(trial.requests) for _ in range(3)]
    lines = trial.do.results(first.error_file_id) if first.error_file_id else []
    bodies = [line["response"]["body"] for line in lines]
    return (
        [body["error"]["code"] for body in bodies] == ["insufficient_quota"] * 4
        and [batch.status for batch in others] == ["failed"] * 2
        and {batch.errors.data[0].code for batch in others} == {"billing_hard_limit_reached"}
    )


def too_many_batches(trial: Trial) -> bool:
    """The third batch within an hour is refused, and accepted an hour later."""
    uploaded = trial.do.upload(trial.requests)
    create = trial.do.client.with_options(max_retries=0).batches.create
    refused = 0
    for _ in range(3):
        try:
            trial.do(create, input_file_id=uploaded.id, **trial.do.usual)
        except openai.RateLimitError:
            refused += 1
    trial.do.sleep(3600)
    assert trial.do(create, input_file_id=uploaded.id, **trial.do.usual).id
    return refused == 1


def batch_only_deployment(trial: Trial) -> bool:
    """One line fails, and works in the next batch; its request is refused as a direct call."""
    do, chat = trial.do, trial.do.client.chat.completions
    first = do.run(trial.requests)
    failed = (
        [line["custom_id"] for line in do.results(first.error_file_id)]
        if first.error_file_id
        else []
    )
    again = [line for line in trial.requests if line["custom_id"] in failed]
    for line in again:
        try:
            do(chat.create, **line["body"])
        except openai.BadRequestError as error:
            second = do.run(again)
            return (
                (error.code, len(again)) == ("OperationNotSupported", 1)
                and "gpt-4o-mini" in str(error)
                and len(do.results(second.output_file_id)) == 1
            )
    return False
