"""Replies of every kind, right and wrong: each value keeps one fate, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from conftest import Play

import mpreplay as mp
from mpreplay.protocol.messages import MAX_REPLY_BYTES

DEEP = b"[" * 900 + b"]" * 900
Say = Callable[[str], list[bytes]]  # what is answered to the request with an id


class Kind(NamedTuple):
    """A kind of reply, and what becomes of the values of all requests answered so."""

    say: Say
    fate: str
    counts: dict[str, int] = {}  # noqa: RUF012 - of the summary, for each request published


def saying(reply: str | bytes) -> Say:
    """Return an answer with the request's id in the place of ID."""
    text = reply if isinstance(reply, bytes) else reply.encode()
    return lambda request_id: [text.replace(b"ID", request_id.encode())]


def coded(code: str) -> Say:
    """Return an answer with a code, as it stands in the JSON."""
    return saying(f'{{"id":"ID","code":{code},"data":{{}}}}')


def both(*says: Say) -> Say:
    """Return several answers, one after the other."""
    return lambda request_id: [one for say in says for one in say(request_id)]


BROKEN = {"broken_replies": 1}
STRANGE = {"strangers": 1}
OK = coded("200")
KINDS = {
    # What the platform's documents and samples show.
    "200": Kind(OK, "accepted"),
    "200 as text": Kind(coded('"200"'), "accepted"),
    "id as number": Kind(saying('{"id":ID,"code":200}'), "accepted"),
    "more than is documented": Kind(saying('{"id":"ID","code":200,"time":1,"x":[]}'), "accepted"),
    "blanks and lines": Kind(saying(' \n{ "code" : 200 ,\t"id" : "ID" }\r\n'), "accepted"),
    "message null": Kind(saying('{"id":"ID","code":200,"message":null}'), "accepted"),
    "message of another shape": Kind(saying('{"id":"ID","code":200,"message":[{}]}'), "accepted"),
    "message of great depth": Kind(
        saying(b'{"id":"ID","code":200,"message":' + DEEP + b"}"), "accepted"
    ),
    "data of great depth": Kind(saying(b'{"id":"ID","code":200,"data":' + DEEP + b"}"), "accepted"),
    "a code within the data": Kind(
        saying('{"id":"ID","code":200,"data":{"code":500,"id":"9"}}'), "accepted"
    ),
    "escapes": Kind(saying('{"id":"ID","code":200,"message":"\\u6210\\ud83d\\ude00"}'), "accepted"),
    "twice": Kind(both(OK, OK), "accepted", {"doubles": 1}),
    "then another code": Kind(both(OK, coded("1204")), "accepted", {"contradictions": 1}),
    "a stranger first": Kind(
        both(saying('{"id":"17","code":500}'), OK), "accepted", {"strangers": 1}
    ),
    "garbage first": Kind(both(saying("\0\1"), OK), "accepted", BROKEN),
    "1204": Kind(coded("1204"), "declined"),
    "1204 as text": Kind(coded('"1204"'), "declined"),
    "429": Kind(coded("429"), "declined"),
    "not documented": Kind(coded("777"), "declined"),
    "negative": Kind(coded("-100"), "declined"),
    "the largest": Kind(coded("2147483647"), "declined"),
    # What only looks like a reply.
    "nothing": Kind(lambda _: [], "in_doubt"),
    "no bytes": Kind(saying(""), "in_doubt", BROKEN),
    "no JSON": Kind(saying("OK"), "in_doubt", BROKEN),
    "half": Kind(saying('{"id":"ID","code":200'), "in_doubt", BROKEN),
    "two in one": Kind(saying('{"id":"ID","code":200}{"id":"ID","code":200}'), "in_doubt", BROKEN),
    "null": Kind(saying("null"), "in_doubt", BROKEN),
    "a number": Kind(saying("200"), "in_doubt", BROKEN),
    "a list": Kind(saying('[{"id":"ID","code":200}]'), "in_doubt", BROKEN),
    "no UTF-8": Kind(saying(b'{"id":"ID","code":200,"message":"\xff"}'), "in_doubt", BROKEN),
    "a byte order mark": Kind(
        saying(b'\xef\xbb\xbf{"id":"ID","code":200}'), "in_doubt", BROKEN
    ),
    "100,000 brackets": Kind(saying(b"[" * 100_000), "in_doubt", BROKEN),
    "huge": Kind(
        saying(b'{"id":"ID","code":200,"data":"' + b"x" * MAX_REPLY_BYTES + b'"}'),
        "in_doubt",
        BROKEN,
    ),
    "no code": Kind(saying('{"id":"ID","data":{}}'), "in_doubt", BROKEN),
    "two codes": Kind(saying('{"id":"ID","code":500,"code":200}'), "in_doubt", BROKEN),
    "two ids": Kind(saying('{"id":"1","code":200,"id":"ID"}'), "in_doubt", BROKEN),
    "code with underscores": Kind(coded('"2_0_0"'), "in_doubt", BROKEN),
    "code in other digits": Kind(coded('"٢٠٠"'), "in_doubt", BROKEN),
    "code with a blank": Kind(coded('" 200"'), "in_doubt", BROKEN),
    "code as a float": Kind(coded("200.0"), "in_doubt", BROKEN),
    "code as the text of a float": Kind(coded('"200.0"'), "in_doubt", BROKEN),
    "code true": Kind(coded("true"), "in_doubt", BROKEN),
    "code null": Kind(coded("null"), "in_doubt", BROKEN),
    "code 2e2": Kind(coded("2e2"), "in_doubt", BROKEN),
    "code 1e999": Kind(coded("1e999"), "in_doubt", BROKEN),
    "code NaN": Kind(coded("NaN"), "in_doubt", BROKEN),
    "code of 31 digits": Kind(coded(f"1{'0' * 30}"), "in_doubt", BROKEN),
    "code of 5,000 digits": Kind(coded(f'"{"9" * 5_000}"'), "in_doubt", BROKEN),
    "code of great depth": Kind(
        saying(b'{"id":"ID","code":' + DEEP + b"}"), "in_doubt", BROKEN
    ),
    "code in a list": Kind(coded("[200]"), "in_doubt", BROKEN),
    # What answers another request, or none.
    "no id": Kind(saying('{"code":200}'), "in_doubt", STRANGE),
    "id null": Kind(saying('{"id":null,"code":200}'), "in_doubt", STRANGE),
    "another id": Kind(saying('{"id":"17","code":200}'), "in_doubt", STRANGE),
    "id with a blank": Kind(saying('{"id":" ID","code":200}'), "in_doubt", STRANGE),
    "id in a list": Kind(saying('{"id":["ID"],"code":200}'), "in_doubt", BROKEN),
    "id as an object": Kind(saying('{"id":{"ID":1},"code":200}'), "in_doubt", BROKEN),
    "id as a float": Kind(saying('{"id":1.5,"code":200}'), "in_doubt", BROKEN),
    "id true": Kind(saying('{"id":true,"code":200}'), "in_doubt", BROKEN),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_reply_of_any_kind_leaves_each_value_with_one_fate(play: Play, name: str) -> None:
    """Only what is plainly 200 is accepted; the run ends by itself, and its books add up."""
    kind = KINDS[name]
    run, transport = play(
        lambda _, message: [(0.0, said) for said in kind.say(message["id"])], isolate=False
    )

    assert isinstance(run, mp.Run), run
    assert set(run.results["outcome"]) == {kind.fate}
    summary = run.summary()
    assert summary[kind.fate] == summary["read"] == 22
    assert run.books["balanced"].all()
    assert len(run.rejects) == (0 if kind.fate == "accepted" else 22)
    n = len(transport.published)
    for count in ("broken_replies", "strangers"):
        assert summary[count] == kind.counts.get(count, 0) * n, count
    for count in ("doubles", "contradictions"):  # after the last answer nobody listens
        assert summary[count] == kind.counts.get(count, 0) * (n - 1), count


def test_one_odd_reply_costs_one_attempt(play: Play) -> None:
    """The next reply to the same request settles it: nothing is lost, and nothing is doubled."""

    def script(n: int, message: Any) -> Any:
        odd = KINDS["code with underscores"].say(message["id"])[0]
        return [(0.0, odd)] if n == 1 else None

    run, transport = play(script)

    assert run.complete
    assert run.summary()["accepted"] == 22
    assert run.summary()["broken_replies"] == 1
    again = [payload for _, payload in transport.published if transport.ids[0].encode() in payload]
    assert len(again) == 2
    assert again[0] == again[1]
    assert len(transport.published) == 9
