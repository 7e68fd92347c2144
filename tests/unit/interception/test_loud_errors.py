"""The errors themselves."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from fakebatch import FakeBatch, FakeBatchError, RefusedRequest, UsageError, request_line

PARTS = ("a was refused.", "Known is b.", "Write b.")


@pytest.mark.parametrize("kind", [FakeBatchError, UsageError, RefusedRequest])
def test_it_is_the_same_in_another_process(kind: type[FakeBatchError]) -> None:
    """Pools of processes pickle what their workers raise; one that cannot be read hangs them."""
    error = pickle.loads(pickle.dumps(kind(*PARTS)))  # noqa: S301  # our own

    assert type(error) is kind
    assert str(error) == "fakebatch: a was refused.\nKnown is b.\nWrite b."


@pytest.mark.parametrize("kind", [FakeBatchError, UsageError, RefusedRequest])
def test_it_is_a_failure_to_pytest(kind: type[FakeBatchError]) -> None:
    """So it clears up after it; and no Exception, which polling loops and the SDK swallow."""
    assert issubclass(kind, pytest.fail.Exception)
    assert not issubclass(kind, Exception)


def test_a_list_of_errors_shows_them_on_a_line_each() -> None:
    """As those of Python."""
    assert repr([UsageError(*PARTS)]) == "[UsageError('a was refused.', 'Known is b.', 'Write b.')]"


def test_a_message_has_three_lines_whatever_it_quotes() -> None:
    """As an error of pydantic, or an array of numpy; what was raised is the cause."""

    def answer(_: object) -> str:
        raise ValueError("2 errors\n  a\n    Field required\n  b")

    fake = FakeBatch()
    fake.reply(answer)
    batch = fake.batches.add([request_line("a", "hi")])
    with pytest.raises(UsageError) as caught:
        fake.files[str(batch.output_file_id)].content  # noqa: B018
    assert str(caught.value).split("\n") == [
        "fakebatch: The callable given to reply raised ValueError: 2 errors a Field required b",
        "It was called for custom_id 'a' (/v1/chat/completions).",
        "Correct the callable; its traceback is above.",
    ]
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("first", ["fakebatch.errors", "pytest"])
def test_it_is_one_class_whichever_is_imported_first(first: str) -> None:
    """And who does not use pytest does not import it."""
    code = (
        f"import sys, importlib; importlib.import_module({first!r})\n"
        "from fakebatch.errors import FakeBatchError\n"
        "loaded = 'pytest' in sys.modules\n"
        "import pytest\n"
        "print(loaded, issubclass(FakeBatchError, pytest.fail.Exception))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    assert done.stdout.split() == [str(first == "pytest"), "True"]
