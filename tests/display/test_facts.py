"""Facts of reasons: written and read back, and told apart by what they share."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mpreplay.display.facts import Detail

OUTSIDE = Detail("range", (-60, 60.5, False, False, "degC"))


def is_one_text(text: str) -> bool:
    """Return whether halves of a character stand alone: JSON joins a first and a second half."""
    return text == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


TEXTS = st.text(st.characters(), max_size=8).filter(is_one_text)  # with lone surrogates
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(PLAIN, lambda one: st.lists(one, max_size=3).map(tuple), max_leaves=5)
FACTS = st.lists(VALUES, max_size=4).map(tuple)
DETAILS: st.SearchStrategy[Detail] = st.recursive(
    st.builds(Detail, TEXTS, FACTS, FACTS, st.none()),
    lambda within: st.builds(Detail, TEXTS, FACTS, FACTS, within),
    max_leaves=6,
)


def kinds_of(value: Any) -> Any:
    """Return the types in facts, at any depth: True is no 1, and a float no integer."""
    return [kinds_of(one) for one in value] if isinstance(value, tuple) else type(value)


@given(DETAILS)
@example(Detail("member", ("\ud800",), (None, 1, 1.5), Detail("item", of=OUTSIDE)))
@example(Detail("not_iso", (), ("'a\udc00\n\u2028'",)))
@example(Detail("length", (2**70, -0.0, float("inf"), 5e-324)))
def test_what_is_written_of_a_reason_reads_back(detail: Detail) -> None:
    """A journal holds facts only: what does not come back can never be said."""
    text = detail.as_text()
    again = Detail.from_text(text)

    assert text.isascii()
    assert text.isprintable()
    assert again == detail
    assert kinds_of(again) == kinds_of(detail)
    assert again.as_text() == text
    assert hash(again) == hash(detail)


@given(DETAILS, FACTS)
def test_values_with_one_cause_share_all_but_what_is_theirs_alone(
    detail: Detail, instance: tuple[Any, ...]
) -> None:
    """The cause of a thousand values must not depend on the one that came first."""
    other = detail._replace(instance=instance)

    assert other.shared == detail.shared
    assert detail.shared.shared == detail.shared
    assert Detail("copy", of=detail).cause == detail.cause
    one: Detail | None = detail.shared
    while one is not None:
        assert one.instance == ()
        one = one.of


def test_what_a_fact_says_is_never_lost_to_what_is_shared() -> None:
    """Two points out of two ranges are two causes, whatever they are copies of."""
    narrow = Detail("range", (0, 1, False, False, ""))

    assert Detail("copy", of=OUTSIDE).cause != Detail("copy", of=narrow).cause
    assert Detail("member", ("a",), of=OUTSIDE).cause != Detail("member", ("b",), of=OUTSIDE).cause
    assert Detail("member", ("a",), of=OUTSIDE).cause != OUTSIDE
