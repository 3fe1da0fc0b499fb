"""Topics, codes, the signature, and replies of every kind."""

from __future__ import annotations

import string

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpreplay.errors import PlatformError
from mpreplay.protocol.codes import ACCEPTED, CODES, NO_SUB_DEVICE, RETURN_CODES, return_code
from mpreplay.protocol.messages import (
    MAX_REPLY_BYTES,
    METHOD,
    batch_login,
    batch_reply_topic,
    batch_topic,
    decode_reply,
    envelope,
    logout,
    session_topic,
)
from mpreplay.protocol.signature import sign, sign_in

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | st.text(string.printable, max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "code", "message", "data"]), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize(
    ("client_id", "device_key", "product_key", "timestamp", "password"),
    [
        (
            "123456", "test", "654321", 1548753362502,
            "B99032D49C706F7B27B22AB5CD2DD3C56A31E1BCBBC83BA0A2A6BB3272FBB166",
        ),
        (
            "123", "test", "123", 1524448722000,
            "A4F9AD91051E3CA89440E0157029DD358C3A2C556D3C543B9FD5A38484785AC9",
        ),
    ],
)  # fmt: skip
def test_the_signature_is_the_documented_one(
    client_id: str, device_key: str, product_key: str, timestamp: int, password: str
) -> None:
    """A wrong signature is refused with no hint why: the documents' own examples must hold."""
    assert sign(client_id, device_key, product_key, timestamp, "abcdefg") == password


def test_a_sign_in_has_the_documented_form() -> None:
    """The platform reads client id and user name by their separators."""
    fields = sign_in("654321", "test", "abcdefg", client_id="123456", timestamp=1548753362502)

    assert fields.client_id == "123456|securemode=2,signmethod=sha256,timestamp=1548753362502|"
    assert fields.username == "test&654321"
    assert fields.password.startswith("B99032D49C706F7B")
    assert "B99032D4" not in repr(fields)


def test_topics_are_the_documented_ones() -> None:
    """A publish to any other topic is answered with 1009, or not at all."""
    assert batch_topic("p", "d") == "/sys/p/d/thing/measurepoint/resume/batch"
    assert batch_reply_topic("p", "d") == "/sys/p/d/thing/measurepoint/resume/batch_reply"
    assert session_topic("p", "d", "login/batch") == "/ext/session/p/d/combine/login/batch"


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_the_flags_stand_beside_the_params_as_booleans(allow: bool, skip: bool) -> None:
    """The vendor's own SDK sends '' for false; we send what the page says."""
    head, tail = envelope("1", allow_offline_sub_device=allow, skip_invalid_measurepoints=skip)

    assert orjson.loads(head + b"{}" + tail) == {
        "id": "1",
        "version": "1.0",
        "allowOfflineSubDevice": allow,
        "skipInvalidMeasurepoints": skip,
        "params": [{}],
        "method": METHOD,
    }


def test_sub_devices_are_signed_with_their_own_secrets() -> None:
    """One client id and time for all, one signature each, and no secret on the wire."""
    payload = batch_login(
        "7", [("654321", "test", "abcdefg")], client_id="123456", timestamp=1548753362502
    )
    message = orjson.loads(payload)

    assert message["method"] == "combine.login.batch"
    assert message["params"]["timestamp"] == "1548753362502"
    (sub,) = message["params"]["subDevices"]
    assert sub["sign"].startswith("B99032D49C706F7B")
    assert b"abcdefg" not in payload
    assert orjson.loads(logout("8", "p", "d"))["params"] == {"productKey": "p", "deviceKey": "d"}


@pytest.mark.parametrize(
    ("code", "asks"),
    [
        (200, "accepted"), (429, "retry"), (500, "retry"), (503, "retry"), (520, "retry"),
        (705, "stop"), (723, "stop"), (740, "stop"), (742, "stop"), (746, "stop"), (770, "stop"),
        (771, "stop"), (1008, "split"), (1009, "sign_in"), (1200, "stop"), (1204, "isolate"),
        (1206, "isolate"), (1212, "isolate"), (1220, "stop"), (1251, "stop"), (1260, "stop"),
        (6205, "retry"),
    ],
)  # fmt: skip
def test_each_documented_code_asks_for_what_the_documents_say(code: int, asks: str) -> None:
    """To retry what can never succeed wastes hours; to stop on what passes wastes the night."""
    assert return_code(code).asks == asks
    assert CODES[code].meaning != "not documented"
    assert CODES[code].source


def test_the_table_of_codes_has_no_code_twice() -> None:
    """A later row would silently hide an earlier one."""
    assert len(CODES) == len(RETURN_CODES)


def test_the_codes_that_have_a_name_are_each_one_row_of_the_table() -> None:
    """A second row of the kind would be a code that every comparison with the name misses."""
    accepted = [entry.code for entry in RETURN_CODES if entry.asks == "accepted"]
    about = {entry.code: entry.about for entry in RETURN_CODES if entry.about != "request"}

    assert accepted == [ACCEPTED] == [200]
    assert about == {1204: "value", 1206: "value", NO_SUB_DEVICE: "device"}
    assert NO_SUB_DEVICE == 1212


@pytest.mark.parametrize("code", [0, -1, 201, 400, 401, 402, 460, 1202, 1203, 1215, 2000, 10001])
def test_an_unknown_code_is_tried_again_before_it_counts(code: int) -> None:
    """What the documents do not name may pass; it settles only when the attempts are used up."""
    assert return_code(code)[1:] == ("not documented", "retry", "none", "request", "")


DEEP = 900  # levels that the parser takes, and that Python's repr does not

# What a platform may say instead of 200 (each as JSON), none of which is 200.
NO_CODES = [
    "200.0", "2e2", "true", "null", '""', '" 200"', '"200 "', '"200.0"', '"2_0_0"', '"+200"',
    '"-1"', '"0x200"', '"2e2"', '"٢٠٠"', '"２００"', '"²00"', '"200\\n"', '"OK"', "[200]",
    '{"value":200}', "1" + "0" * 30, '"' + "9" * 31 + '"', '"' + "9" * 5_000 + '"', "1e999", "NaN",
    "0200", "2147483648", "-2147483648", "[" * DEEP + "]" * DEEP, "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("code", NO_CODES, ids=lambda code: code[:24])
def test_what_only_looks_like_a_code_is_a_broken_reply(code: str) -> None:
    """A value must not count as accepted because a converter is kinder than the protocol."""
    with pytest.raises(PlatformError) as caught:
        decode_reply(f'{{"id":"1","code":{code}}}'.encode())

    assert len(str(caught.value)) < 300
    assert "cannot be read (" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "number"),
    [("200", 200), ('"200"', 200), ("-1", -1), ("-0", 0), ("2147483647", 2**31 - 1)],
)
def test_a_whole_number_or_a_text_of_digits_is_a_code(code: str, number: int) -> None:
    """Versions of the platform and its gateways differ in it."""
    assert decode_reply(f'{{"id":"1","code":{code}}}'.encode()).code == number


@pytest.mark.parametrize(
    "reply",
    [
        b'{"id":"1","code":200,"code":500}',
        b'{"id":"1","code":500,"c\\u006fde":200}',
        b'{"id":"1","id":"2","code":200}',
        b'{"id":"1","code":200,"data":{},"\\u0069d":"2"}',
    ],
)
def test_a_reply_that_says_two_things_at_once_is_broken(reply: bytes) -> None:
    """Which of two codes holds is nowhere said; a parser silently takes the last."""
    with pytest.raises(PlatformError, match="is given twice"):
        decode_reply(reply)


def test_a_name_inside_the_data_is_no_second_name() -> None:
    """Data of the platform may have ids and codes of their own."""
    reply = b'{"code":200,"data":{"id":"2","code":5,"x":[{"code":6}]},"id":"1","message":"\\u4e2d"}'

    assert decode_reply(reply)[:3] == ("1", 200, "\u4e2d")


@pytest.mark.parametrize("odd", ["{}", "[1]", "true", "1.5", "1e18", "18446744073709551616"])
def test_an_id_that_is_neither_text_nor_number_is_a_broken_reply(odd: str) -> None:
    """Its request cannot be told; a float has lost the digits that tell requests apart."""
    with pytest.raises(PlatformError, match="id is "):
        decode_reply(f'{{"id":{odd},"code":200}}'.encode())


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("null", ""), ('"x"', "x"), ('{"en":"x"}', '{"en":"x"}'), ("[1,2]", "[1,2]"), ("7", "7"),
        ("[" * DEEP + "1" + "]" * DEEP, ""),
    ],
    ids=["null", "text", "object", "array", "number", "deep"],
)  # fmt: skip
def test_a_message_of_any_shape_does_not_hide_the_code(said: str, text: str) -> None:
    """It only informs."""
    assert decode_reply(f'{{"id":"1","code":1204,"message":{said}}}'.encode())[:3] == (
        "1", 1204, text,
    )  # fmt: skip


def test_a_huge_reply_is_not_parsed() -> None:
    """A parsed reply takes many times its size, and MQTT carries a quarter of a gigabyte."""
    payload = b'{"id":"1","code":200,"data":"' + b"x" * MAX_REPLY_BYTES + b'"}'
    with pytest.raises(PlatformError, match="more than 4,194,304 bytes are not read"):
        decode_reply(payload)


odd_replies = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "code", "message", "data"), json_values)
).map(orjson.dumps)


@given(st.binary(max_size=60) | json_values.map(orjson.dumps) | odd_replies)
@example(b"")
@example(b"null")
@example(b'{"code":true}')
@example(b'{"code":200.0}')
@example(b'{"code":"200"}')
@example(b'{"id":1,"code":"99999999999999999999999"}')
@example(b'{"code":' + b"[" * 3000)
@example(b'{"code":"' + b"9" * 5000 + b'"}')
@example(b'\xff\xfe{"code":200}')
@example(b'{"code":' + b"[" * 900 + b"]" * 900 + b"}")
@example(b'{"code":200,"message":' + b"[" * 900 + b"]" * 900 + b"}")
@example(b'{"code":200,"x":"\\u4e2d","data":' + b"[" * 1000 + b"]" * 1000 + b"}")
def test_any_bytes_are_a_reply_or_a_platform_error(payload: bytes) -> None:
    """Whatever arrives on the reply topic, the run goes on."""
    try:
        reply = decode_reply(payload)
    except PlatformError as error:
        assert error.payload == payload
        assert "\n" not in str(error)
        return

    assert isinstance(reply.request_id, str)
    assert isinstance(reply.message, str)
    assert -(2**31) < reply.code < 2**31


def test_a_reply_may_name_its_id_and_code_as_text_or_number() -> None:
    """Versions of the platform differ in it; the id that was sent is text."""
    assert decode_reply(b'{"id":17,"code":"1204","message":null}')[:3] == ("17", 1204, "")
    assert decode_reply(b'{"code":200}').request_id == ""


@pytest.mark.parametrize("said", ["x" * 2_000_000, {"why": "x" * 2_000_000}, ["x"] * 500_000])
def test_what_a_reply_says_is_clipped(said: object) -> None:
    """The text is kept with each value of its request: 20,000 times a megabyte would be fatal."""
    message = decode_reply(orjson.dumps({"id": "1", "code": 1204, "message": said})).message

    assert len(message) == 500
    assert message.endswith("…")


def test_what_a_reply_says_is_kept_whole_up_to_500_characters() -> None:
    """Operators search for the platform's own words."""
    for said in ("x" * 500, "\u00e4" * 500, "no such device"):
        assert decode_reply(orjson.dumps({"code": 1204, "message": said})).message == said
