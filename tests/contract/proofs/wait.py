"""Proofs: the wait for the end of a batch."""

from __future__ import annotations

from itertools import groupby, islice
from typing import Any

import openai

from contract.proofs import Trial

HOUR = 3_600


def poll_5xx_kills_loop(trial: Trial) -> bool:
    """A poll raises although the batch is fine, and the next one goes on."""
    batch = trial.do.create(trial.requests)
    errors: list[str] = []
    for _ in range(5):
        trial.do.sleep(60)
        try:
            trial.do(trial.do.client.batches.retrieve, batch.id)
        except openai.InternalServerError as error:
            errors.append(error.response.headers["content-type"])
    return len(errors) == 1 and errors[0].startswith("text/html")


def stuck_in_progress(trial: Trial) -> bool:
    """Nine lines are done, even after the window has ended; a cancel gives their results."""
    batch = trial.do.create(trial.requests)
    seen = [_later(trial, batch, hours) for hours in (2, 23, 2)]
    if {(each.status, each.request_counts.completed) for each in seen} != {("in_progress", 9)}:
        return False
    cancelled = trial.do.poll(trial.do(trial.do.client.batches.cancel, batch.id))[-1]
    return (
        seen[-1].expires_at < trial.fake.clock.now.timestamp()
        and seen[-1].error_file_id is None
        and len(trial.do.results(cancelled.output_file_id)) == 9
        and len(trial.do.results(cancelled.error_file_id)) == 1
    )


def request_counts_unreliable(trial: Trial) -> bool:
    """No line is ever counted, and all ten have a result."""
    seen = trial.do.poll(trial.do.create(trial.requests), every=600)
    counts = {(each.request_counts.total, each.request_counts.completed) for each in seen}
    return counts == {(0, 0)} and len(trial.do.results(seen[-1].output_file_id)) == 10


def stuck_finalizing(trial: Trial) -> bool:
    """Five hours at 100 %, without an id; then it is completed."""
    *before, last = trial.do.poll(trial.do.create(trial.requests), every=600)
    finalizing = [each for each in before if each.status == "finalizing"]
    return (
        len(finalizing) >= 30
        and {(each.request_counts.completed, each.output_file_id) for each in finalizing}
        == {(10, None)}
        and (last.status, len(trial.do.results(last.output_file_id))) == ("completed", 10)
    )


def stuck_validating(trial: Trial) -> bool:
    """Two hours with a total of 0; then it runs."""
    *before, last = trial.do.poll(trial.do.create(trial.requests), every=600)
    validating = [each for each in before if each.status == "validating"]
    return (
        len(validating) >= 12
        and {each.request_counts.total for each in validating} == {0}
        and (last.status, len(trial.do.results(last.output_file_id))) == ("completed", 10)
    )


def ids_empty_string_or_object(trial: Trial) -> bool:
    """No id is null: the SDK refuses to download what is not there, and the batch is fine."""
    created, *_, last = trial.do.poll(trial.do.create(trial.requests), every=600)
    if (created.output_file_id, created.error_file_id, last.error_file_id) != ("", "", ""):
        return False
    try:
        trial.do(trial.do.client.files.content, last.error_file_id)
    except ValueError as error:
        return "non-empty" in str(error) and len(trial.do.results(last.output_file_id)) == 10
    return False


def unknown_status(trial: Trial) -> bool:
    """Another name for each status, from the reply to the create call on."""
    batch = trial.do.create(trial.requests)
    seen = [batch, *(_later(trial, batch, hours) for hours in (0.5, 0.5))]
    return [each.status for each in seen] == ["VALIDATING", "PROGRESS", "COMPLETED"] and len(
        trial.do.results(seen[-1].output_file_id)
    ) == 10


def missing_or_null_required_fields(trial: Trial) -> bool:
    """The reply to the create call has an id and a status, and not what the SDK says it has."""
    batch = trial.do.create(trial.requests)
    raw = trial.do.wire(trial.do.client.batches.with_raw_response.retrieve, batch.id)
    return (
        (batch.status, batch.completion_window, batch.request_counts) == ("validating", None, None)
        and {"errors", "expires_at", "request_counts", "metadata"}.isdisjoint(raw)
        and (raw["completion_window"], raw["usage"]) == (None, None)
        and len(trial.do.results(trial.do.poll(batch)[-1].output_file_id)) == 10
    )


def pagination_traps(trial: Trial) -> bool:
    """The page after the last batch is the first one again; the SDK's iterator never ends."""
    batch = trial.do.create(trial.requests)
    page = trial.do(trial.do.client.batches.list, after=batch.id)
    pages: Any = trial.do.client.batches.list()
    iterated = [each.id for each in islice(pages, 50)]
    return (
        [each.id for each in page.data] == [batch.id]
        and page.has_more is True
        and iterated == [batch.id] * 50
    )


def proxy_rewrites_ids(trial: Trial) -> bool:
    """Long ids, and at the end a short one, whose content cannot be had."""
    created, *_, last = trial.do.poll(trial.do.create(trial.requests), every=600)
    if not last.output_file_id.startswith("file-"):
        return False
    try:
        trial.do(trial.do.client.files.content, last.output_file_id)
    except openai.InternalServerError as error:
        return (
            (last.status, last.request_counts.completed) == ("completed", 10)
            and len(created.id) > 64
            and created.output_file_id is None
            and "api_key client option" in str(error)
        )
    return False


def batch_disappears(trial: Trial) -> bool:
    """It is there, then it is not; the next one is completed."""
    batch = trial.do.create(trial.requests)
    try:
        _later(trial, batch, 0.2)
    except openai.NotFoundError as error:
        return (
            f"No batch found with id '{batch.id}'" in str(error)
            and trial.do.all(trial.do.client.batches.list) == []
            and trial.do.run(trial.requests).status == "completed"
        )
    return False


def auth_changes_midway(trial: Trial) -> bool:
    """Every call is refused after a while; the batch is completed all the same."""
    batch = trial.do.create(trial.requests)
    assert _later(trial, batch, 0.25).status == "in_progress"
    refused = 0
    for call in (trial.do.client.batches.list, trial.do.client.files.list):
        trial.do.sleep(HOUR)
        try:
            trial.do(call)
        except openai.AuthenticationError as error:
            refused += error.code == "invalid_api_key"
    return refused == 2 and trial.fake.batches[batch.id].status == "completed"


def ids_exposed_early(trial: Trial) -> bool:
    """Ids from the beginning, without content; in the end an error file that is empty."""
    batch = trial.do.create(trial.requests)
    if not (batch.output_file_id and batch.error_file_id):
        return False
    early = 0
    for id_ in (batch.output_file_id, batch.error_file_id):
        try:
            trial.do(trial.do.client.files.content, id_)
        except openai.NotFoundError:
            early += 1
    last = trial.do.poll(batch, every=600)[-1]
    return (
        early == 2
        and (last.output_file_id, last.error_file_id) == (batch.output_file_id, batch.error_file_id)
        and len(trial.do.results(last.output_file_id)) == 10
        and trial.do(trial.do.client.files.content, last.error_file_id).content == b""
    )


def status_goes_backwards(trial: Trial) -> bool:
    """It is in progress twice, and validating twice."""
    seen = trial.do.poll(trial.do.create(trial.requests))
    return [status for status, _ in groupby(each.status for each in seen)] == [
        *("validating", "in_progress") * 2,
        *("finalizing", "completed"),
    ]


def html_or_nonjson_200(trial: Trial) -> bool:
    """Three polls return a string, the others a batch; none raises."""
    batch = trial.do.create(trial.requests)
    seen = [_later(trial, batch, 0.01) for _ in range(6)]
    pages = [each for each in seen if isinstance(each, str)]
    return seen[2:5] == pages and len(pages) == 3 and pages[0].startswith("<html>")


def dns_tls_connect_failures(trial: Trial) -> bool:
    """A poll raises an error without a response, and the next one goes on."""
    batch = trial.do.create(trial.requests)
    causes: list[str] = []
    for _ in range(5):
        try:
            _later(trial, batch, 0.01)
        except openai.APIConnectionError as error:
            causes.append(str(error.__cause__))
    return len(causes) == 1 and "name resolution" in causes[0]


def new_fields(trial: Trial) -> bool:
    """The SDK keeps them apart from those it knows."""
    extra = trial.do.create(trial.requests).model_extra or {}
    return bool({"x_queue": "batch", "progress": 0.5}.items() <= extra.items())


def _later(trial: Trial, batch: Any, hours: float) -> Any:
    """The batch, so many hours later."""
    trial.do.sleep(hours * HOUR)
    return trial.do(trial.do.client.batches.retrieve, batch.id)
