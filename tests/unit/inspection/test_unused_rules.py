"""Rules that nothing has met: which they are, and what the error says, word for word."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fakebatch import FakeBatch, FakeBatchWarning, UsageError
from support.client import Driver, chat

ADVICE = "Fix the rule or the test, or use FakeBatch(unused_rules='warn') or 'ignore'."
NOTHING = "Uploads: 0; batches: 0; custom_ids: none"
TWO = "Uploads: 1; batches: 1; custom_ids: 'a', 'b'"

Act = Callable[[FakeBatch], object]


def creates(*custom_ids: str) -> Act:
    def act(fake: FakeBatch) -> None:
        driver = Driver(fake.openai())
        driver.create([chat(custom_id) for custom_id in custom_ids])
        driver.runner.close()

    return act


def asks(fake: FakeBatch) -> None:
    fake.openai().chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def takes_webhooks(fake: FakeBatch) -> None:
    fake.webhooks.deliver_to(lambda *_: None)
    creates("a")(fake)
    time.sleep(7_200)


UNUSED: dict[str, tuple[list[Act], str, str]] = {
    # what a test does, what is reported, what there was
    "a custom_id that no file had": (
        [lambda f: f.on(custom_id="c").fail(429), creates("a", "b")],
        "1 rule was never used: on(custom_id='c').fail(429)",
        TWO,
    ),
    "many custom_ids, and not this one": (
        [lambda f: f.on(custom_id="A").drop(), creates(*"abcdefgh")],
        "1 rule was never used: on(custom_id='A').drop()",
        "Uploads: 1; batches: 1; custom_ids: 'a', 'b', 'c', 'd', 'e', …",
    ),
    "a rule that came after the batch": (
        [creates("a", "b"), lambda f: f.on(custom_id="a").fail(429)],
        "1 rule was never used: on(custom_id='a').fail(429)",
        TWO,
    ),
    "a predicate that never held": (
        [lambda f: f.on(lambda line: line.model == "x").malformed("null"), creates("a", "b")],
        "1 rule was never used: on(…).malformed('null')",
        TWO,
    ),
    "a predicate and a fraction of lines that never ran": (
        [
            lambda f: f.on(fraction=0.5).fail(429),
            lambda f: f.on(lambda _: True).fail(429),
            creates("a", "a"),
        ],
        "2 rules were never used: on(fraction=0.5).fail(429); on(…).fail(429)",
        "Uploads: 1; batches: 1; custom_ids: 'a', 'a'",
    ),
    "a fault that never fired": (
        [lambda f: f.on_call("batches.cancel", nth=2).fail(503), creates("a", "b")],
        "1 rule was never used: on_call('batches.cancel', nth=2).fail(503)",
        TWO,
    ),
    "a batch that was never created": (
        [lambda f: f.on_batch(nth=2).expire(), creates("a", "b")],
        "1 rule was never used: on_batch(nth=2).expire()",
        TWO,
    ),
    "an upload that never came": (
        [lambda f: f.on_file(purpose="vision").processing("1m"), creates("a", "b")],
        "1 rule was never used: on_file(purpose='vision').processing('1m')",
        TWO,
    ),
    "a webhook that was never sent": (
        [lambda f: f.on_webhook(event="batch.failed").deliver(lost=1), takes_webhooks],
        "1 rule was never used: on_webhook(event='batch.failed').deliver(lost=1)",
        "Uploads: 1; batches: 1; custom_ids: 'a'; webhooks: 1",
    ),
    "two of them": (
        [lambda f: f.on().hang(), lambda f: f.on_call("files.delete").reset()],
        "2 rules were never used: on().hang(); on_call('files.delete').reset()",
        NOTHING,
    ),
    "the same one twice": (
        [lambda f: f.on().hang(), lambda f: f.on().hang()],
        "1 rule was never used: on().hang()",
        NOTHING,
    ),
    "a selector without a verb": (
        [lambda f: f.on(custom_id="a"), creates("a", "b")],
        "1 rule was never used: on(custom_id='a'), which has no verb",
        TWO,
    ),
    "a selector without a verb beside a rule": (
        [
            lambda f: f.on_call("files.*", nth=2),
            lambda f: f.on_webhook(nth=3).deliver(lost=1),
        ],
        (
            "2 rules were never used: on_webhook(nth=3).deliver(lost=1); "
            "on_call('files.*', nth=2), which has no verb"
        ),
        f"{NOTHING}; webhooks: 0",
    ),
    "a rule beside an incident": (
        [
            lambda f: f.on(index=9).change_custom_id("int"),
            lambda f: f.incident("download-truncated"),
        ],
        "1 rule was never used: on(index=9).change_custom_id('int')",
        NOTHING,
    ),
}


@pytest.mark.parametrize(("acts", "rules", "known"), UNUSED.values(), ids=UNUSED)
def test_a_rule_that_met_nothing_is_an_error(acts: list[Act], rules: str, known: str) -> None:
    """In the words of the test, with what there was and what to do."""
    with pytest.raises(UsageError) as caught, FakeBatch() as fake:
        for act in acts:
            act(fake)
    assert str(caught.value).split("\n") == [f"fakebatch: {rules}.", f"{known}.", ADVICE]


USED: dict[str, list[Act]] = {
    "a line rule": [lambda f: f.on(custom_id="a").fail(429), creates("a")],
    "a rule for a line of a file that failed": [
        lambda f: f.on(index=0).fail(429),
        creates("a", "a"),
    ],
    "a batch rule": [lambda f: f.on_batch().result_files(order="input"), creates("a")],
    "a file rule": [lambda f: f.on_file().expire("2d"), creates("a")],
    "a webhook rule": [lambda f: f.on_webhook().deliver(lost=1), takes_webhooks],
    "a fault": [lambda f: f.on_call("files.create", nth=1).fail(503), creates("a")],
    "a chance that did not come": [lambda f: f.on_call(chance=0.001).fail(503), creates("a")],
    "a limit that was kept": [lambda f: f.on_call().rate_limit(100, per="1m"), creates("a")],
    "a rule for a direct call": [lambda f: f.on(contains="hi").reply("ho"), asks],
}


@pytest.mark.parametrize("acts", USED.values(), ids=USED)
def test_a_rule_that_met_something_is_no_error(acts: list[Act]) -> None:
    """Nor mentioned."""
    with FakeBatch() as fake:
        for act in acts:
            act(fake)
    assert fake._never_used == ()


def test_a_rule_of_an_incident_is_mentioned() -> None:
    """And no error: of an incident a test takes what it needs."""
    with FakeBatch(incident="download-truncated") as fake:
        pass
    [rule] = fake._never_used
    assert rule == "on_call('files.content', times=1).truncate(0.3, framing='silent')"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        pytest.param(
            lambda fake: fake.on_batch(nth=2).expire(0.5),
            "on_batch(nth=2).expire(0.5)",
            id="a rule",
        ),
        pytest.param(
            lambda fake: fake.on_batch(nth=2),
            "on_batch(nth=2), which has no verb",
            id="a selector",
        ),
    ],
)
def test_a_warning_has_the_words_of_the_error(write: Act, words: str) -> None:
    """The same three lines as a FakeBatchWarning, where the block ends."""
    with pytest.warns(FakeBatchWarning) as caught, FakeBatch(unused_rules="warn") as fake:
        write(fake)
    lines = str(caught[0].message).splitlines()
    assert lines == [f"fakebatch: 1 rule was never used: {words}.", f"{NOTHING}.", ADVICE]
    assert caught[0].filename == __file__
    assert fake._never_used == (words,)


def test_what_is_ignored_is_not_mentioned_either() -> None:
    """Neither at the end nor in a timeline."""
    with FakeBatch(unused_rules="ignore") as fake:
        fake.on().fail(429)
        assert "fail" not in fake.timeline()
    assert fake._never_used == ()


def test_the_error_of_a_block_is_raised_alone() -> None:
    """What comes after it need not have come."""
    with pytest.raises(ZeroDivisionError), FakeBatch() as fake:
        fake.on().fail(429)
        raise ZeroDivisionError


def test_an_unknown_choice_is_refused() -> None:
    """Three lines."""
    with pytest.raises(UsageError) as caught:
        FakeBatch(unused_rules="quiet")  # type: ignore[arg-type]
    assert str(caught.value).split("\n") == [
        "fakebatch: unused_rules='quiet' is unknown.",
        "It is 'error' or 'warn' or 'ignore'.",
        "Leave it out to make rules that were never used an error.",
    ]
