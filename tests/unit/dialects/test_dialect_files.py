"""A dialect of one's own is a TOML file, like ours; its mistakes are told with their place."""

from __future__ import annotations

import re
import textwrap
from math import inf
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakebatch import FakeBatch, UsageError
from fakebatch.dialects import DIALECTS, OPENAI, Dialect
from fakebatch.dialects.loading import load

OWN = """
    title = "Acme"
    base_urls = ["https://acme.example/v1"]
    auth = { X-Acme-Key = "" }
    unknown = ["how long files are kept"]
    limits.batch_lines = 7

    [[fact]]
    what = "a batch has few keys, and its id is a job's"
    evidence = "observed"
    source = "our wiki"
    ids.batch = "job_{uuid}"
    shapes.batch = "id status counts.done=request_counts.completed"

    [[fact]]
    what = "smaller still"
    evidence = "inferred"
    source = "a colleague"
    limits = { batch_lines = 5, enqueued_tokens = 90_000 }
    [fact.errors.no_such_batch]
    message = "job {id} is gone"
    status = 410
    [fact.line_errors.529]
    message = "Overloaded."
"""


def written(path: Path, text: str) -> Path:
    """A file `acme.toml`."""
    file = path / "acme.toml"
    file.write_text(textwrap.dedent(text))
    return file


@pytest.fixture
def own(tmp_path: Path) -> Dialect:
    return load(written(tmp_path, OWN))


def test_settings_of_the_file_come_first_and_then_its_facts(own: Dialect) -> None:
    """Groups and errors change entry by entry; what nobody says is OpenAI's."""
    assert (own.name, own.title, own.unknown) == ("acme", "Acme", ("how long files are kept",))
    assert (own.limits.batch_lines, own.limits.enqueued_tokens) == (5, 90_000)
    assert own.limits.batch_bytes == OPENAI.limits.batch_bytes
    assert own.errors[next(iter(OPENAI.errors))] == next(iter(OPENAI.errors.values()))
    assert [own.line_errors[status].message for status in (429, 529)] == [
        OPENAI.line_errors[429].message,
        "Overloaded.",
    ]


def test_a_fact_keeps_its_evidence(own: Dialect) -> None:
    """What differs, how that is known, and the settings as the file has them."""
    first, second = own.facts

    assert (first.what, first.evidence, first.source) == (
        "a batch has few keys, and its id is a job's",
        "observed",
        "our wiki",
    )
    assert second.settings["limits"] == {"batch_lines": 5, "enqueued_tokens": 90_000}


def test_a_file_is_emulated(tmp_path: Path) -> None:
    """Its address, the header of its key, its words and its shapes; headers in any case."""
    key = {"x-acme-key": "mine"}
    with FakeBatch(dialect=written(tmp_path, OWN)) as fake:
        asked = {"input_file_id": "x", "endpoint": "/v1/responses", "completion_window": "24h"}
        batch = httpx.post(f"{fake.base_url}/batches", json=asked, headers=key)
        gone = httpx.get(f"{fake.base_url}/batches/nowhere", headers=key)

    assert batch.url.host == "acme.example"
    assert [*batch.json()] == ["id", "status", "counts"]
    assert batch.json()["id"].startswith("job_")
    assert (gone.status_code, gone.json()["error"]["message"]) == (410, "job nowhere is gone")


def test_an_error_keeps_what_its_table_does_not_say(tmp_path: Path) -> None:
    """An empty string takes code and param away."""
    text = """
        [errors]
        cannot_cancel.status = 400
        wrong_key = { code = "", headers = {} }
    """
    errors = {kind.value: error for kind, error in load(written(tmp_path, text)).errors.items()}
    cancel, key = errors["cannot_cancel"], errors["wrong_key"]

    assert (cancel.status, cancel.message) == (400, "Cannot cancel a batch with status '{status}'.")
    assert (key.code, key.status, key.headers) == (None, 401, {})


def test_durations_are_text_or_seconds_and_inf_is_no_limit(tmp_path: Path) -> None:
    """As everywhere else; inside they are microseconds and None."""
    text = """
        pace = { late = 2, cancelling = "1m30s", keeps_batch_files = inf }
        limits = { batch_files = 3, creates_per_hour = 5, uploads_per_minute = inf }
    """
    own = load(written(tmp_path, text))

    assert (own.pace.late, own.pace.cancelling) == (2_000_000, 90_000_000)
    assert own.pace.keeps_batch_files is own.limits.uploads_per_minute is None
    assert OPENAI.set(limits={"batch_files": inf}) == OPENAI.set(limits={"batch_files": None})


def test_ours_are_files_of_the_same_form() -> None:
    """Each is found by the name of its file, and read when it is used."""
    folder = Path(str(load.__code__.co_filename)).parent

    assert {*DIALECTS} == {file.stem for file in folder.glob("*.toml")} - {"unsupported"}
    assert load(folder / "groq.toml") == DIALECTS["groq"]
    assert DIALECTS["groq"] is DIALECTS["groq"]
    assert len(DIALECTS) == 16


FACT = "[[fact]]\nwhat = 'x'\nsource = 'y'\nevidence = 'inferred'"

MISTAKES: dict[str, tuple[str, str, str]] = {
    "no TOML": ("name = ", ": it cannot be read: Invalid value (at end", "`like`"),
    "like nobody": (
        'like = "moonshine"',
        "'moonshine' is not a dialect",
        "'azure', 'compat",
    ),
    "like a table": ("like = {}", ": like = {} is not a dialect", "'azure', 'compat"),
    "like a number": ("like = 3", ": like = 3 is not a dialect", "'azure', 'compat"),
    "an unknown setting": ("limit = 3", ": 'limit' is unknown", "limits, pace"),
    "an unknown setting of a group": (
        "[window]\nleest = '1h'",
        ": window: 'leest' is unknown",
        "units, least, most",
    ),
    "a setting of another type": ("endpoints = 7", ": endpoints: 7 is not a list", "be a list"),
    "an item of another type": ("endpoints = [7]", ": endpoints: 7 is not a string", "a string"),
    "a string for true": ("skips_bad_lines = 'no'", ": 'no' is not true or false", "true or false"),
    "a negative limit": ("limits.batch_lines = -1", ": limits.batch_lines: -1 is neg", "0 or more"),
    "a negative limit that may be off": (
        "limits.enqueued_tokens = -1",
        ": limits.enqueued_tokens: -1 is negative",
        "0 or more",
    ),
    "true for a number": ("limits.batch_lines = true", "lines: True is not a whole n", "number"),
    "half a number": ("limits.batch_lines = 1.5", "lines: 1.5 is not a whole number", "number"),
    "a number for a limit": (
        "[limits]\nbatch_lines = 'many'",
        ": limits.batch_lines: 'many' is not a whole number",
        "a whole number",
    ),
    "a table for a string": ("title = {}", ": title: {} is not a string", "a string"),
    "a string for a table": (
        "errors.missing = 'no'",
        ": errors.missing: 'no' is not a tab",
        "tabl",
    ),
    "no duration": ("pace.late = 'soon'", ": pace.late: 'soon' is not a duration", "1h30m"),
    "an unknown error": (
        "[errors.no_luck]\nstatus = 1",
        ": errors: 'no_luck' is unknown",
        "no_key",
    ),
    "an error without words": (
        "[line_errors.529]\ncode = 'x'",
        ": line_errors.529: message is missing",
        "new table",
    ),
    "a regular expression that is none": (
        "input_file_ids = 'file-['",
        ": input_file_ids: 'file-[' is not valid: unterminated character set",
        "a regular expression",
    ),
    "an addition that nothing is known of": (
        "shapes.added = 'x=model'",
        ": shapes.added: there is no field 'model'",
        "custom_id request_id",
    ),
    "a status that is none": ("line_errors.1.message = ''", "rors: '1' is unknown", "400 to 599"),
    "a status of no batch": ("statuses = { done = 'x' }", ": statuses: 'done' is unk", "completed"),
    "a cancel in no status": ("cancels = ['done']", ": cancels: 'done' is unknown", "completed"),
    "an unknown operation": ("answers = { upload = 201 }", ": 'upload' is unknown", "files.create"),
    "a flaw there is not": (
        "ignored_errors = ['x']",
        ": ignored_errors: 'x' is unk",
        "duplicate_id",
    ),
    "a key of no line": ("line_keys = ['model']", ": line_keys: 'model' is unknown", "custom_id"),
    "no address at all": ("base_urls = []", ": base_urls is empty", "at least one"),
    "no endpoint at all": ("endpoints = []", ": endpoints is empty", "at least one"),
    "no scheme": (
        "base_urls = ['host/v1']",
        ": base_urls: 'host/v1' is not a base URL",
        "https://host",
    ),
    "another scheme": (
        "base_urls = ['ftp://h/v1']",
        "'ftp://h/v1' is not a base URL",
        "https://host",
    ),
    "a bad host": (
        "base_urls = ['http://a b/v1']",
        "'http://a b/v1' is not a base",
        "https://host",
    ),
    "a star inside": (
        "base_urls = ['http://a.*.c']",
        "'http://a.*.c' is not a base",
        "https://host",
    ),
    "a bad port": (
        "base_urls = ['http://h:x/']",
        "'http://h:x/' is not a base URL",
        "https://host",
    ),
    "brackets": ("base_urls = ['http://[h/']", "'http://[h/' is not a base URL", "https://host"),
    "an endpoint without a slash": (
        "endpoints = ['v1/x']",
        "'v1/x' is not a path",
        "/v1",
    ),
    "an id of no form": (
        "[ids]\nbatch = 'batch_{snowflake}'",
        ": ids.batch: 'batch_{snowflake}' has an unknown field, 'snowflake'",
        "{stamp}, {base58}",
    ),
    "an id with a lone brace": ("ids.file = '{'", ": ids.file: '{' cannot be filled in", "{{"),
    "a header with an unknown field": (
        "headers = { x-id = '{request}' }",
        ": headers.x-id: '{request}' has an unknown field, 'request'",
        "{request_id}, {milliseconds}",
    ),
    "a shape with a typo": (
        "shapes.error = 'error.mesage'",
        ": shapes.error: there is no field 'mesage'",
        "A shape can have message type",
    ),
    "a shape with a typo in a member": (
        "shapes.batch = 'id total=request_counts.totl'",
        ": shapes.batch: there is no field 'request_counts.totl'",
        "request_counts.total",
    ),
    "a list with a typo": ("files_list.shape = 'dta'", "shape: there is no field 'dta'", "data"),
    "a batch without an id": ("shapes.batch = 'status'", "the key 'id' is missing", "Lists"),
    "a result line with a key twice": (
        "shapes.answered = 'id id'",
        ": shapes.answered: 'id' appears twice",
        "custom_id",
    ),
    "an error with an unknown field": (
        "[errors.no_such_batch]\nmessage = 'job {batch} is gone'",
        ": errors.no_such_batch.message: 'job {batch} is gone' has an unknown field, 'batch'",
        "have {id};",
    ),
    "an error with a lone brace": (
        "errors.not_json.message = 'expected {'",
        ": errors.not_json.message: 'expected {' cannot be filled in: Single '{'",
        "have no fields; a brace itself is written {{ or }}",
    ),
    "a param with an unknown field": (
        "errors.missing.param = '{param}'",
        ": errors.missing.param: '{param}' has an unknown field",
        "have {name};",
    ),
    "an error of a batch with an unknown field": (
        "batch_errors.bad_url.message = '{url}'",
        ": batch_errors.bad_url.message: '{url}' has an unknown field",
        "have {value};",
    ),
    "an error of a line with a field": (
        "line_errors.429.message = '{model}'",
        ": line_errors.429.message: '{model}' has an unknown field",
        "have no fields;",
    ),
    "an address of results with an unknown field": (
        "results_url = '{base_url}/x'",
        ": results_url: '{base_url}/x' has an unknown field, 'base_url'",
        "{base}, {id}, {signature}",
    ),
    "a window that ends before it begins": (
        "window = { least = '48h', most = '36h', usual = '40h' }",
        ": window: '48h' to '36h', usually '40h', is not a range",
        "whole number",
    ),
    "a window in words": (
        "window.most = 'a week'",
        ": window: '24h' to 'a week', us",
        "d, h, m and s",
    ),
    "a window in weeks": ("window.units = 'hw'", ": window: '24h', usually '24h'", "d, h, m and s"),
    "a file that is never there": (
        "files.statuses = {}",
        ": files: statuses = {} are no",
        "second 0",
    ),
    "a file that begins later": (
        "files.statuses = { a = 1 }",
        ": files: statuses = {'a'",
        "second 0",
    ),
    "facts in one table": ("[fact]\nwhat = 'x'", ": its facts have another form", "[[fact]]"),
    "facts by another name": ("facts = []", ": its facts have another form", "[[fact]]"),
    "facts that are no tables": ("fact = [1]", ": its facts have another form", "[[fact]]"),
    "a fact without evidence": (
        "[[fact]]\nwhat = 'x'\nsource = 'y'",
        ", [[fact]] 1: evidence is missing",
        "new table",
    ),
    "a fact that is believed": (
        "[[fact]]\nwhat = 'x'\nsource = 'y'\nevidence = 'believed'",
        ", [[fact]] 1: evidence: 'believed' is unknown",
        "documented, observed, inferred",
    ),
    "a mistake in the second fact": (
        f"{FACT}\n{FACT}\nids.bach = 'x'",
        ", [[fact]] 2: ids: 'bach' is unknown",
        "batch, file",
    ),
}


@pytest.mark.parametrize(("text", "problem", "known"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(
    text: str, problem: str, known: str, tmp_path: Path
) -> None:
    """When the file is read: what came and where, what was known, where to look it up."""
    file = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        FakeBatch(dialect=file)
    lines = str(caught.value).split("\n")

    assert len(lines) == 3
    assert lines[0].startswith(f"fakebatch: {str(file)!r}")
    assert problem in lines[0]
    assert known in lines[1]
    assert "docs/dialects.md" in lines[2]


def test_a_file_that_is_not_there_is_told() -> None:
    """By its path."""
    with pytest.raises(UsageError, match=r"'nowhere\.toml': it cannot be read: .*No such file"):
        FakeBatch(dialect=Path("nowhere.toml"))


VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown setting": ({"windows": 1}, "Dialect 'openai': 'windows' is unknown"),
    "an unknown setting of a group": ({"window": {"unit": "h"}}, "window: 'unit' is unknown"),
    "a shape with a typo": ({"shapes": {"error": "mesage"}}, "shapes.error: there is no field"),
    "a value of another type": ({"required": "endpoint"}, "required: 'endpoint' is not a list"),
}


@pytest.mark.parametrize(("changes", "problem"), VALUES.values(), ids=VALUES)
def test_a_mistake_in_a_value_is_told_too(changes: dict[str, Any], problem: str) -> None:
    """`Dialect.set` takes what a file takes."""
    with pytest.raises(UsageError, match=re.escape(problem)):
        OPENAI.set(**changes)


def test_an_error_of_a_value_is_told_when_it_is_used() -> None:
    """What may stand in its braces depends on the error."""
    dialect = OPENAI.set(errors={"not_json": {"message": "{id}"}})
    with pytest.raises(
        UsageError, match=r"Dialect 'openai': errors\.not_json\.message: '{id}' has"
    ):
        FakeBatch(dialect=dialect)
