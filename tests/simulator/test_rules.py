"""The rehearsal platform's rules, without a network: requests in, codes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import ConfigError, Measurepoint, ThingModel
from mpreplay.model.schemas import rules_of
from mpreplay.protocol.messages import batch_login, logout
from mpreplay.protocol.signature import sign, sign_in
from mpreplay.simulator import PlatformLimits
from mpreplay.simulator.frames import stored_frame
from mpreplay.simulator.judging import check_of
from mpreplay.simulator.platform import Platform
from mpreplay.simulator.world import ANY_PRODUCT, world_of

GATEWAY = ("gateway", "gw-1")
ONLINE, OFFLINE = ("turbine", "T1"), ("turbine", "T2")
STRANGER, OTHER_GATEWAY = ("turbine", "T9"), ("gateway", "gw-2")
SECRETS = {device: f"secret of {device[1]}" for device in
           (GATEWAY, ONLINE, OFFLINE, STRANGER, OTHER_GATEWAY)}  # fmt: skip
MODEL = ThingModel(
    "M",
    {
        "P": Measurepoint("P", "FLOAT", minimum=-50, maximum=2500),
        "state": Measurepoint("state", "ENUM", keys=(0, 1)),
        "name": Measurepoint("name", "STRING", max_length=4),
        "Q": Measurepoint("Q", "DOUBLE", has_quality=True),
    },
)
NOW = 1_700_000_000_000
BATCH = "/sys/gateway/gw-1/thing/measurepoint/resume/batch"
GOOD = {"measurepoints": {"P": 1.5}, "time": 1_000}


def platform(model: ThingModel = MODEL, **limits: Any) -> Platform:
    """Return a platform with a gateway, a sub-device that is online and one that is not."""
    return Platform(
        world_of(
            {
                "models": {ANY_PRODUCT: model.to_json()},
                "devices": [[*device, secret] for device, secret in SECRETS.items()],
                "gateways": [[GATEWAY, [ONLINE, OFFLINE]]],
                "online": [ONLINE],
                "limits": PlatformLimits(**limits).as_dict(),
            }
        )
    )


def request(*entries: Any, tail: str = "resume/batch", **fields: Any) -> bytes:
    """Return a request as a client would write it; a field of None is left out."""
    document = {
        "id": "7",
        "version": "1.0",
        "params": list(entries),
        "method": "thing.measurepoint." + tail.replace("/", "."),
        **fields,
    }
    return orjson.dumps({key: value for key, value in document.items() if value is not None})


def entry(
    device: tuple[str, str] | None = None, time: Any = 1_000, **points: Any
) -> dict[str, Any]:
    """Return one element of params."""
    keys = {} if device is None else {"productKey": device[0], "deviceKey": device[1]}
    return {**keys, "measurepoints": points, "time": time}


def ask(of: Platform, payload: bytes, topic: str = BATCH, device: Any = GATEWAY) -> dict[str, Any]:
    """Publish as a device and return the reply."""
    reply = of.receive(device, topic, payload, NOW)
    assert reply is not None
    return orjson.loads(reply)


def code(payload: bytes, **limits: Any) -> int:
    """Return the code of a batch request to a fresh platform."""
    return ask(platform(**limits), payload)["code"]


def stored(of: Platform) -> pd.DataFrame:
    """Return what a platform stored."""
    return stored_frame(of.accepted, of.world)


# Protocol facts, 2.3: what the vendor's sample program shows for the two flags.
#   situation: (second entry), then the codes for (skip, allow) = FF, TF, FT, TT
TRUTH = {
    "all online, all valid": (entry(ONLINE, P=2.0), 200, 200, 200, 200),
    "an entry of unknown points": (entry(ONLINE, nope=2.0), 1204, 200, 1204, 200),
    "a sub-device not signed in": (entry(OFFLINE, P=2.0), 1212, 1212, 200, 200),
    "both in one entry": (entry(OFFLINE, nope=2.0), 1212, 1212, 1204, 200),
}


@pytest.mark.parametrize("column", range(4), ids=["FF", "skip", "allow", "skip and allow"])
@pytest.mark.parametrize("situation", TRUTH)
def test_the_flags_do_what_the_vendors_sample_shows(situation: str, column: int) -> None:
    """The two flags decide whether a backfill arrives; they must not be confused."""
    second, *codes = TRUTH[situation]
    flags = {
        "skipInvalidMeasurepoints": column in {1, 3},
        "allowOfflineSubDevice": column in {2, 3},
    }

    assert code(request(entry(ONLINE, P=1.0), second, **flags)) == codes[column]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", 1251),
        (b"  ", 1251),
        (request(), 1251),
        (request(params={}), 1251),
        (b"{", 1220),
        (b"[]", 1220),
        (b"\xff", 1220),
        (request(GOOD, version="2.0"), 1220),
        (request(GOOD, version=None), 1220),
        (request(GOOD, id=["7"]), 1220),
        (request(params=GOOD), 1220),
        (request(params="all"), 1220),
        (request(GOOD, 5), 1220),
        (request(entry(("turbine", 5), P=1.0)), 1220),  # type: ignore[arg-type]
        (request(GOOD, allowOfflineSubDevice="yes"), 1220),
        (request(GOOD, 5, method="other"), 1220),
        (request(GOOD, method="thing.measurepoint.post.batch"), 1260),
        (request(GOOD, method=None), 1260),
        (request(entry(STRANGER, P=1.0), allowOfflineSubDevice=True), 1212),
        (request(entry(("turbine", "nobody"), P=1.0), allowOfflineSubDevice=True), 1212),
        (request(entry(OTHER_GATEWAY, P=1.0)), 1212),
        (request(entry(GATEWAY, P=1.0)), 200),
        (request(entry(P=1.0, time=1.5)), 1206),
        (request(entry(P=1.0, time=True)), 1206),
        (request(entry(P=1.0, time="1000")), 1206),
        (request(entry(P=1.0, time=None)), 1206),
        (request(entry(P=1.0, time=2**60)), 1206),
        (request(entry(P=1.0, time=-1)), 200),
        (request(entry(P=1.0, time=1.7e12)), 200),
        (request(entry(P=1.0, time=-0.0)), 200),
        (request(entry(P=1.0, time=1.7e12 + 0.5)), 1206),
        (request(entry(P=1.0, time=1e300)), 1206),
        (request(entry(P=1.0, time=253_402_300_799_999)), 200),
        (request(entry(P=1.0, time=253_402_300_800_000)), 1206),
        (request(entry(P=1.0, time=-62_135_596_800_001)), 1206),
        (request({"measurepoints": {"P": 1.0}}), 200),
        (request({"time": 1}), 1206),
        (request(entry()), 1206),
        (request({"measurepoints": [1], "time": 1}), 1206),
        (request(entry(P=None)), 1206),
        (request(entry(P=None), skipInvalidMeasurepoints=True), 1206),
        (request(entry(P=2501)), 1204),
        (request(entry(P="1.5")), 1204),
        (request(entry(name="abcde")), 1204),
        (request(entry(name="äöü")), 1204),
        (request(entry(state=2)), 1204),
        (request(GOOD), 200),
        (request(GOOD, version="1.1", id=7), 200),
        (request(GOOD, id=None), 200),
    ],
)  # fmt: skip
def test_every_mistake_has_its_code(payload: bytes, expected: int) -> None:
    """A client that is wrong must hear in which way, as from the platform."""
    assert code(payload) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"x" * 2_000, 1008),
        (request(padding="x" * 2_000), 1008),
        (request(version="2.0", method="other"), 1251),
        (request(GOOD, version="2.0", method="other"), 1220),
        (request(entry(STRANGER, nope=1), method="other"), 1260),
        (request(entry(STRANGER, time="x", nope=1)), 1212),
        (request(entry(time="x", nope=1)), 1206),
        (request(entry(nope=1), entry(STRANGER, P=1.0)), 1204),
        (request(entry(P=None), entry(STRANGER, P=1.0)), 1206),
    ],
)
def test_the_first_mistake_in_the_platforms_order_gives_the_code(
    payload: bytes, expected: int
) -> None:
    """One code for the whole request: whoever isolates a fault relies on which comes first."""
    assert code(payload, max_bytes=2_000) == expected


@pytest.mark.parametrize("falsy", [False, "", None, 0])
def test_a_falsy_flag_is_false(falsy: Any) -> None:
    """The vendor's Python SDK sends '' where it means false."""
    payload = request(entry(OFFLINE, nope=1), allowOfflineSubDevice=falsy,
                      skipInvalidMeasurepoints=falsy)  # fmt: skip

    assert code(payload) == 1212


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (request(GOOD, id=7), "7"),
        (request(GOOD, id=7.0), "7"),
        (request(GOOD, id=-1.5), "-1.5"),
        (request(GOOD, id=2**64 - 1), "18446744073709551615"),
        (request(GOOD, id="x-7"), "x-7"),
        (request(GOOD, id=None), ""),
        (b"{", ""),
        (request(GOOD, id="big", padding="x" * 2_000), "big"),
    ],
)
def test_the_id_comes_back_as_text(payload: bytes, expected: str) -> None:
    """Replies are told apart by it alone, also the reply to a request that was too large."""
    assert ask(platform(max_bytes=2_000), payload)["id"] == expected


@pytest.mark.parametrize("tail", ["post", "resume"])
def test_the_single_forms_take_one_object(tail: str) -> None:
    """Live and late reports differ in the topic only, and flags are no part of a single report."""
    of, topic = platform(), f"/sys/gateway/gw-1/thing/measurepoint/{tail}"

    assert ask(of, request(params=GOOD, tail=tail), topic)["code"] == 200
    assert ask(of, request(params=[GOOD], tail=tail), topic)["code"] == 1220
    assert ask(of, request(params=entry(x=1), tail=tail, skipInvalidMeasurepoints=True),
               topic)["code"] == 1204  # fmt: skip
    assert stored(of)["value"].tolist() == [1.5]


def test_nothing_of_a_declined_request_is_stored() -> None:
    """All or nothing: half a request in the store would make books lie."""
    of = platform()

    assert ask(of, request(GOOD, entry(nope=1)))["code"] == 1204
    assert stored(of).empty
    assert list(stored(of).columns) == ["product_key", "device_key", "time", "measurepoint",
                                        "value", "quality"]  # fmt: skip


def test_a_skipped_value_is_not_stored_and_200_does_not_tell() -> None:
    """Why 200 is no proof of storage."""
    of = platform()
    ask(of, request(entry(P=9999, state=1), entry(nope=1), skipInvalidMeasurepoints=True))

    assert stored(of)["measurepoint"].tolist() == ["state"]


def test_the_last_write_of_a_device_point_and_time_stays() -> None:
    """Re-sending is safe only because it overwrites."""
    of = platform()
    ask(of, request(entry(P=1.0), entry(ONLINE, P=5.0), entry(P=2.0)))
    ask(of, request(entry(time=0, P=0.5), entry(P=3)))
    frame = stored(of)

    assert frame["device_key"].tolist() == ["gw-1", "gw-1", "T1"]
    assert frame["value"].tolist() == [0.5, 3.0, 5.0]
    assert str(frame["time"].dtype) == "datetime64[ms, UTC]"
    assert frame["value"].dtype == "float64"


def test_quality_is_stored_beside_its_value() -> None:
    """The model tells a value with its quality from a struct."""
    of = platform()
    ask(of, request(entry(Q={"value": 1.5, "quality": 9}), entry(time=2, Q=2.5)))

    assert stored(of)["value"].tolist() == [2.5, 1.5]
    assert stored(of)["quality"].astype("object").tolist() == [pd.NA, 9]


def test_values_that_are_no_numbers_keep_their_json_type() -> None:
    """A text that became a number on the way would be found here."""
    of = platform()
    ask(of, request(entry(P=1.0, name="1", state=1)))

    assert stored(of)["value"].tolist() == [1.0, "1", 1]
    assert stored(of)["value"].dtype == object


def test_a_missing_time_is_the_time_of_receipt() -> None:
    """The vendor's tests expect 200 for an entry without time."""
    of = platform()
    ask(of, request({"measurepoints": {"P": 1.0}}))

    assert stored(of)["time"].tolist() == [pd.Timestamp(NOW, unit="ms", tz="UTC")]


def test_a_time_in_float_notation_is_stored_as_a_time() -> None:
    """The vendor's C client writes every large number so: 1.7e+12 is a millisecond, too."""
    of = platform()
    written = [b"1.700000000001e+12", b"1.7E12", b"1700000000000.0"]
    for text in written:
        payload = request(entry(P=1.0, time=7)).replace(b'"time":7', b'"time":' + text)
        assert ask(of, payload)["code"] == 200
    answer = b"".join(of.answer(b'["stored",null,null,1700000000001,null]'))

    assert stored(of)["time"].astype("int64").tolist() == [1_700_000_000_000, 1_700_000_000_001]
    assert answer.count(b"measurepoints") == 1


def test_the_range_of_times_is_a_choice() -> None:
    """The documents give none, so a user who knows the platform's sets it."""
    assert code(request(entry(P=1.0, time=4_000)), latest=3_999) == 1206
    assert code(request(entry(P=1.0, time=-5)), earliest=0) == 1206
    assert code(request(entry(P=1.0, time=4_000)), latest=4_000, earliest=4_000) == 200
    # A missing time is that of the receipt, whatever the range.
    assert code(request({"measurepoints": {"P": 1.0}}), latest=10) == 200


@pytest.mark.parametrize(
    ("point", "good", "bad"),
    [
        (Measurepoint("p", "INT"), [5, 5.0, -(2**31), 2**31 - 1],
         [5.5, 2**31, True, "5", [5], {}]),
        (Measurepoint("p", "INT", minimum=0, maximum=9, exclusive_maximum=True), [0, 8], [-1, 9]),
        (Measurepoint("p", "FLOAT"), [1, 1.5, 3.4e38], [3.5e38, True, "1.5", [1.5]]),
        (
            Measurepoint("p", "FLOAT"),  # as 32-bit numbers: the largest one's shortest text counts
            [3.4028235e38, -3.4028235e38, 3.4028235677973362e38],
            [3.4028235677973366e38, -3.4028236e38],
        ),
        (Measurepoint("p", "FLOAT", minimum=0.1, maximum=7.12),
         [0.1, 7.12, 7.1200001], [0.09, 7.13]),
        (
            Measurepoint("p", "FLOAT", minimum=0.1, exclusive_minimum=True, maximum=10**40),
            [0.11, 3.4e38], [0.1, 0.100000001, 10**39],
        ),
        (Measurepoint("p", "DOUBLE"), [1e300, -4], [False, "", {}]),
        (
            Measurepoint("p", "DOUBLE", maximum=2**53),
            [2**53, 2.0**53, -(2**63)], [2**53 + 1, 2.0**53 + 2],
        ),
        (
            Measurepoint("p", "DOUBLE", minimum=2**63 - 1, exclusive_minimum=True),
            [2**63, 2**64 - 1], [2**63 - 1, 2**63 - 2],
        ),
        (Measurepoint("p", "BOOL"), [0, 1, True, False], [2, -1, "true", 1.0]),
        (Measurepoint("p", "ENUM", keys=(1, 2)), [1, 2, 2.0], [3, "1", True, [1]]),
        (Measurepoint("p", "ENUM", keys=("on", "off")), ["on"], ["ON", 1]),
        (Measurepoint("p", "STRING", max_length=5), ["", "abcde", "€a"], ["abcdef", "€€", 5]),
        (Measurepoint("p", "STRING"), ["x" * 1024], ["x" * 1025, "é" * 513]),
        (Measurepoint("p", "DATE"), ["2024-02-29 23:59:59"],
         ["2023-02-29 00:00:00", "2024-02-29T00:00:00", "2024-2-9 0:00:00", 5,
          "2024-02-29 24:00:01"]),
        (Measurepoint("p", "TIMESTAMP"), ["1700000000000", "-1", "0"], [1, "1.5", "", "x", "--1"]),
        (Measurepoint("p", "STRUCT", members=(Measurepoint("a", "INT", required=True),
                                             Measurepoint("b", "STRING"))),
         [{"a": 1}, {"a": 1, "b": "x"}], [{}, {"b": "x"}, {"a": 1, "c": 2}, {"a": "1"}, [1], 5]),
        (Measurepoint("p", "ARRAY", item_type="INT"), [[], [1, 2], [1] * 1024],
         [[1.5], ["1"], [None], [1] * 1025, 1, {}]),
        (Measurepoint("p", "ARRAY", item_type="STRING"), [["1.02", "2.02"]], [[1.02]]),
        (Measurepoint("p", "FILE"), [], ["file", 1]),
        (Measurepoint("p", "INT", has_quality=True), [5, {"value": 5, "quality": 0}],
         [{"value": 5}, {"value": 5, "quality": 10}, {"value": 5, "quality": True},
          {"value": 5, "quality": None}, {"value": "5", "quality": 1}, {"quality": 1}]),
        (Measurepoint("p", "STRUCT", members=(Measurepoint("value", "INT"),
                                             Measurepoint("quality", "INT"))),
         [{"value": 5, "quality": 77}, {"value": 5}], [5]),
    ],
    ids=lambda given: str(given.type) if isinstance(given, Measurepoint) else "",
)  # fmt: skip
def test_each_type_takes_its_values_and_no_others(
    point: Measurepoint, good: list[Any], bad: list[Any]
) -> None:
    """A platform that took too much would let a client's mistakes through."""
    check = check_of(point, PlatformLimits())

    assert [value for value in good if not check(value)] == []
    assert [value for value in [*bad, None] if check(value)] == []


singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    singles,
    st.floats(allow_nan=False, allow_infinity=False) | singles | st.integers(-(2**70), 2**70),
    st.booleans(),
)
def test_a_float_is_in_range_for_the_platform_if_it_is_for_the_client(
    value: float, bound: float, exclusive: bool
) -> None:
    """A bound like 7.12 is no 32-bit number: a value of 7.12 must not be declined for that."""
    travels = orjson.loads(orjson.dumps(np.float32(value), option=orjson.OPT_SERIALIZE_NUMPY))
    for side in ("minimum", "maximum"):
        point = Measurepoint("p", "FLOAT", **{side: bound, f"exclusive_{side}": exclusive})
        (rule,) = rules_of(point)

        said = check_of(point, PlatformLimits())(travels)
        assert said == rule.allowed(pa.array([value], pa.float32()))[0]


def test_what_the_documents_leave_open_is_a_setting() -> None:
    """Whether ranges are checked and how a bool looks is not documented."""
    flag = Measurepoint("b", "BOOL")
    wide = check_of(Measurepoint("p", "INT", maximum=9), PlatformLimits(range_violations=False))

    assert wide(10)
    assert not wide(2**31)
    assert [check_of(flag, PlatformLimits(bool_form="number"))(v) for v in (1, True)] == [
        True,
        False,
    ]
    assert [check_of(flag, PlatformLimits(bool_form="boolean"))(v) for v in (1, True)] == [
        False,
        True,
    ]


def test_a_pass_through_model_takes_unknown_points() -> None:
    """Some models let unknown identifiers through instead of 1204."""
    of = platform(ThingModel("M", {"P": Measurepoint("P", "INT")}, pass_through=True))

    assert ask(of, request(entry(other={"x": [1]})))["code"] == 200
    assert ask(of, request(entry(P="x")))["code"] == 1204


@pytest.mark.parametrize(
    "topic",
    [
        "/sys/turbine/T2/thing/measurepoint/resume",
        "/sys/turbine/T9/thing/measurepoint/resume",
        "/sys/gateway/gw-1/thing/unknown",
        "/ext/session/gateway/gw-1/combine/unknown",
        "/ext/anything",
    ],
)
def test_a_topic_that_is_not_the_devices_own_is_1009(topic: str) -> None:
    """A client with a wrong key in its topic must hear of it."""
    assert ask(platform(), request(params=GOOD, tail="resume"), topic)["code"] == 1009


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("/sys/gateway/gw-1/thing/tsltemplate/get", "thing/tsltemplate/get"),
        ("/sys/gateway/gw-1/thing/event/e1/post", "thing/event/e1/post"),
        ("/ext/session/gateway/gw-1/combine/register", "combine/register"),
        ("/sys/gateway/gw-1/" + "x" * 60_000, "x" * 200),
    ],
)
def test_a_topic_that_is_not_served_says_so(topic: str, told: str) -> None:
    """The platform has many more topics: a client must not take a gap here for its own mistake."""
    of, said = platform(), []
    of._say = said.append
    first, _ = ask(of, request(id=5), topic), ask(of, request(id=6), topic)

    assert (first["code"], first["id"]) == (1009, "5")
    assert f"the rehearsal platform does not serve {told}" in first["message"]
    assert first["message"].startswith("Publish to topic with no write permission: ")
    assert len(first["message"]) < 400
    assert len(said) == 1
    assert said[0].startswith("the rehearsal platform does not serve /")
    assert [(row["code"], row["request_id"]) for row in of.requests] == [(1009, "5"), (1009, "6")]
    assert topic.startswith(of.requests[0]["topic"].removesuffix("…"))


@pytest.mark.parametrize(
    "topic", ["elsewhere", "/sys/turbine/T9/thing/measurepoint/post", "/sys/a"]
)
def test_what_a_device_may_not_publish_is_listed(topic: str) -> None:
    """A message that went nowhere is found in the platform's list of requests."""
    of = platform()
    of.receive(GATEWAY, topic, request(GOOD), NOW)

    assert [(row["topic"], row["code"]) for row in of.requests] == [(topic, 1009)]


def test_the_log_of_what_is_not_served_is_bounded() -> None:
    """A client could cause any number of lines."""
    of, said = platform(), []
    of._say = said.append
    for n in range(1_000):
        ask(of, request(), f"/sys/gateway/gw-1/thing/{n}")

    assert len(said) == 100


def test_a_gateway_speaks_on_the_topic_of_a_sub_device_that_is_online() -> None:
    """The single form for a sub-device carries the sub-device's keys."""
    of = platform()
    topic = "/sys/turbine/T1/thing/measurepoint/resume"

    assert ask(of, request(params=GOOD, tail="resume"), topic)["code"] == 200
    assert stored(of)["device_key"].tolist() == ["T1"]


def test_topics_outside_the_platforms_get_no_answer() -> None:
    """Only /sys and /ext are the platform's."""
    assert platform().receive(GATEWAY, "elsewhere", b"{}", NOW) is None


# Sub-devices


def login(*subs: tuple[tuple[str, str], str], timestamp: Any = "1000", **fields: Any) -> bytes:
    """Return a batch sign-in of sub-devices with the secrets given."""
    params = {
        "clientId": "c",
        "timestamp": timestamp,
        "signMethod": "sha256",
        "subDevices": [
            {"productKey": device[0], "deviceKey": device[1],
             "sign": sign("c", device[1], device[0], timestamp, secret)}
            for device, secret in subs
        ],
        **fields,
    }  # fmt: skip
    return orjson.dumps({"id": "1", "version": "1.1", "params": params,
                         "method": "combine.login.batch"})  # fmt: skip


LOGIN = "/ext/session/gateway/gw-1/combine/login/batch"


@pytest.mark.parametrize(
    ("device", "secret", "expected"),
    [
        (OFFLINE, SECRETS[OFFLINE], 200),
        (("turbine", "nobody"), "x", 705),
        (STRANGER, SECRETS[STRANGER], 740),
        (OFFLINE, "wrong", 742),
    ],
)
def test_a_sign_in_that_fails_says_why(device: Any, secret: str, expected: int) -> None:
    """The code tells whether the key, the topology or the secret has to be mended."""
    reply = ask(platform(), login((device, secret)), LOGIN)

    assert reply["code"] == expected
    assert len(reply["data"]["loginedSubDevices"]) == (expected == 200)
    assert len(reply["data"]["failedSubDevices"]) == (expected != 200)


def test_the_reasons_of_failed_sign_ins_stand_in_the_text_of_the_reply() -> None:
    """As documented: the list of failed devices has keys only."""
    reply = ask(platform(), login((STRANGER, "x"), (OFFLINE, "wrong"), (("t", "u"), "x")), LOGIN)

    assert reply["message"] == (
        "turbine&T9 has error: Sub device not belong the gateway;"
        "turbine&T2 has error: Sign check failed;"
        "t&u has error: It failed to query device, not existed this device;"
    )
    assert [set(sub) for sub in reply["data"]["failedSubDevices"]] == [
        {"productKey", "deviceKey"}
    ] * 3
    assert reply["code"] == 740


DOCUMENTED = {
    705: "It failed to query device, not existed this device",
    740: "Sub device not belong the gateway",
    742: "Sign check failed",
    1008: "Msg size is too large, discard the message",
    1009: "Publish to topic with no write permission",
    1204: "Model validate failed",
    1206: "Measurepoint post data format error",
    1212: "No sub-device permission",
    1220: "Payload format error",
    1260: "Methods not consistent",
}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (request(GOOD), 200),
        (b"x" * 2_000, 1008),
        (request(entry(nope=1)), 1204),
        (request(entry(P=None)), 1206),
        (request(entry(OFFLINE, P=1.0)), 1212),
        (b"{", 1220),
        (request(GOOD, method="other"), 1260),
    ],
)
def test_texts_are_those_of_the_documents(payload: bytes, expected: int) -> None:
    """Users read them, and look for them in the platform's documents."""
    reply = ask(platform(max_bytes=2_000), payload)

    assert (reply["code"], reply["message"]) == (expected, DOCUMENTED.get(expected, ""))
    assert list(reply) == ["id", "code", "data", "message"]


@pytest.mark.parametrize(("version", "expected"), [(None, 200), ("1.1", 200), ("2.0", 1220)])
def test_a_sign_in_needs_no_version(version: str | None, expected: int) -> None:
    """The sample of the documents has none; a version that is no version is still a mistake."""
    document = orjson.loads(login((OFFLINE, SECRETS[OFFLINE])))
    document["version"] = version
    if version is None:
        del document["version"]

    assert ask(platform(), orjson.dumps(document), LOGIN)["code"] == expected


def test_a_numeric_id_of_a_sign_out_is_answered_as_text() -> None:
    """As in the sample of the documents."""
    document = {"id": 123, "params": {"productKey": "turbine", "deviceKey": "T1"},
                "method": "combine.logout"}  # fmt: skip
    reply = ask(platform(), orjson.dumps(document), "/ext/session/gateway/gw-1/combine/logout")

    assert (reply["id"], reply["code"]) == ("123", 200)


def test_one_bad_sign_in_does_not_hold_back_the_good_ones() -> None:
    """Batch sign-in is not atomic: the first failure gives the code, the good ones are online."""
    of = platform()
    reply = ask(of, login((STRANGER, "x"), (OFFLINE, SECRETS[OFFLINE]), (("t", "u"), "x")), LOGIN)

    assert reply["code"] == 740
    assert [sub["deviceKey"] for sub in reply["data"]["loginedSubDevices"]] == ["T2"]
    assert ask(of, request(entry(OFFLINE, P=1.0)))["code"] == 200


@pytest.mark.parametrize(
    "timestamp", ["1548753362502", 1548753362502, "1548753362.5", 1548753362.5]
)
@pytest.mark.parametrize("method", ["sha256", "SHA256", "hmacsha256", "HmacSha256"])
def test_what_vendor_clients_send_is_taken(timestamp: Any, method: str) -> None:
    """Their timestamps and method names differ; the plain hash is the same."""
    payload = login((OFFLINE, SECRETS[OFFLINE]), timestamp=timestamp, signMethod=method)
    document = orjson.loads(payload)
    document["params"]["subDevices"][0]["sign"] = document["params"]["subDevices"][0][
        "sign"
    ].lower()

    assert ask(platform(), orjson.dumps(document), LOGIN)["code"] == 200


@pytest.mark.parametrize("fields", [{"subDevices": []}, {"subDevices": [5]}, {"clientId": None},
                                    {"timestamp": True}])  # fmt: skip
def test_a_malformed_batch_sign_in_has_two_empty_lists(fields: dict[str, Any]) -> None:
    """By that the documents tell a malformed request from failed devices."""
    reply = ask(platform(), login((OFFLINE, SECRETS[OFFLINE]), **fields), LOGIN)

    assert reply["code"] == 1220
    assert reply["data"] == {"loginedSubDevices": [], "failedSubDevices": []}


def test_our_own_client_signs_in_and_out() -> None:
    """Rules and client never disagree; offline again means declined again."""
    of = platform()
    payload = batch_login("1", [(*OFFLINE, SECRETS[OFFLINE])], client_id="gw", timestamp=NOW)
    out = "/ext/session/gateway/gw-1/combine/logout"

    assert ask(of, payload, LOGIN)["code"] == 200
    assert ask(of, request(entry(OFFLINE, P=1.0)))["code"] == 200
    assert ask(of, logout("2", *OFFLINE), out)["code"] == 200
    assert ask(of, request(entry(OFFLINE, P=1.0)))["code"] == 1212
    assert ask(of, logout("3", "no", "body"), out)["code"] == 200


@pytest.mark.parametrize(("secret", "expected"), [(SECRETS[OFFLINE], 200), ("wrong", 742)])
def test_a_single_sign_in_names_the_device(secret: str, expected: int) -> None:
    """The single form, with the fields that the vendor's SDKs add."""
    params = {"productKey": "turbine", "deviceKey": "T2", "clientId": "c", "timestamp": "5",
              "signMethod": "sha256", "sign": sign("c", "T2", "turbine", 5, secret),
              "cleanSession": "true", "secureMode": "2"}  # fmt: skip
    payload = orjson.dumps({"id": "1", "version": "1.0", "params": params,
                            "method": "combine.login"})  # fmt: skip
    reply = ask(platform(), payload, "/ext/session/gateway/gw-1/combine/login")

    assert reply["code"] == expected
    assert reply["data"].get("deviceKey") == ("T2" if expected == 200 else None)


def topo(action: str, *subs: dict[str, Any]) -> tuple[bytes, str]:
    """Return a topology request and its topic."""
    payload = {"id": "1", "version": "1.0", "params": list(subs), "method": f"thing.topo.{action}"}
    return orjson.dumps(payload), f"/sys/gateway/gw-1/thing/topo/{action}"


def signed(device: tuple[str, str], secret: str) -> dict[str, Any]:
    """Return a sub-device as topo/add names it."""
    return {"productKey": device[0], "deviceKey": device[1], "clientId": "c", "timestamp": "5",
            "signMethod": "sha256", "sign": sign("c", device[1], device[0], 5, secret)}  # fmt: skip


def test_the_topology_is_kept_by_its_gateway() -> None:
    """A device that was added may be reported, one that was deleted may not."""
    of = platform()
    payload = request(entry(STRANGER, P=1.0), allowOfflineSubDevice=True)

    assert ask(of, *topo("add", signed(STRANGER, SECRETS[STRANGER])))["code"] == 200
    assert ask(of, payload)["code"] == 200
    assert [sub["deviceKey"] for sub in ask(of, *topo("get"))["data"]] == ["T1", "T2", "T9"]
    assert ask(of, *topo("delete", {"productKey": "turbine", "deviceKey": "T9"},
                         {"productKey": "no", "deviceKey": "body"}))["code"] == 200  # fmt: skip
    assert ask(of, payload)["code"] == 1212
    assert ask(of, *topo("delete", {"productKey": "turbine", "deviceKey": "T9"}))["code"] == 1256


@pytest.mark.parametrize("also", [[], [{"productKey": "no", "deviceKey": "body"}]])
def test_a_sub_device_that_is_online_cannot_be_deleted(also: list[Any]) -> None:
    """Signed out it can; one success is enough for 200."""
    of = platform()
    t1, t2 = ({"productKey": "turbine", "deviceKey": key} for key in ("T1", "T2"))
    ask(of, login((OFFLINE, SECRETS[OFFLINE])), LOGIN)

    assert ask(of, *topo("delete", t1, t2, *also))["code"] == 1256
    assert len(ask(of, *topo("get"))["data"]) == 2
    ask(of, logout("2", *OFFLINE), "/ext/session/gateway/gw-1/combine/logout")
    assert ask(of, *topo("delete", t1, t2, t2, *also))["code"] == 200
    assert ask(of, *topo("get"))["data"] == [t1]


@pytest.mark.parametrize(
    ("device", "secret"),
    [(STRANGER, "wrong"), (("turbine", "nobody"), "x"), (OTHER_GATEWAY, SECRETS[OTHER_GATEWAY])],
)
def test_a_device_that_cannot_be_added_is_1255(device: Any, secret: str) -> None:
    """Unknown, wrongly signed, or a gateway itself."""
    assert ask(platform(), *topo("add", signed(device, secret)))["code"] == 1255


def test_a_sub_device_of_another_gateway_cannot_be_added() -> None:
    """A sub-device has one gateway."""
    payload, _ = topo("add", signed(ONLINE, SECRETS[ONLINE]))
    topic = "/sys/gateway/gw-2/thing/topo/add"

    assert ask(platform(), payload, topic, OTHER_GATEWAY)["code"] == 1255


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["P", "Q", "value", "quality", "productKey", "measurepoints",
                                       "time", "subDevices", "sign"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
DOCUMENTS = {
    BATCH: request(entry(ONLINE, P=1.0, Q={"value": 1, "quality": 2}, name="x")),
    LOGIN: login((OFFLINE, SECRETS[OFFLINE])),
    "/sys/gateway/gw-1/thing/topo/add": topo("add", signed(OFFLINE, SECRETS[OFFLINE]))[0],
    "/sys/gateway/gw-1/thing/topo/delete": topo("delete", signed(OFFLINE, ""))[0],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to all values in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [path] + [
        deeper
        for key, inner in items
        for deeper in (places(inner, (*path, key)) if isinstance(inner, dict | list)
                       else [(*path, key)])
    ]  # fmt: skip


@given(st.sampled_from(sorted(DOCUMENTS)), json_values, st.data())
def test_whatever_stands_in_a_request_has_an_answer(
    topic: str, value: Any, data: st.DataObject
) -> None:
    """A client's mistake is answered with a code and never brings the platform down."""
    document = orjson.loads(DOCUMENTS[topic])
    *path, last = data.draw(st.sampled_from(places(document)[1:]))
    inner = document
    for key in path:
        inner = inner[key]
    inner[last] = value
    of = platform()

    assert isinstance(ask(of, orjson.dumps(document), topic)["code"], int)
    assert len(stored(of)) <= 3


# Sessions


def connect(of: Platform, now: int, secret: str = SECRETS[GATEWAY]) -> Any:
    """Sign the gateway in."""
    fields = sign_in(*GATEWAY, secret, client_id="any", timestamp=5)
    return of.connect(fields.client_id, fields.username, fields.password, now)


@pytest.mark.parametrize(
    ("client_id", "password", "expected"),
    [
        ("123456|securemode=2,signmethod=sha256,timestamp=1548753362502|", "upper", 0),
        ("123456|securemode=2, signmethod=sha256, timestamp=1548753362502|", "lower", 0),
        ("123456|securemode=2,signmethod=hmacsha256,timestamp=1548753362502|", "upper", 0),
        ("123456|securemode=2,signmethod=sha1,timestamp=1548753362502|", "upper", 4),
        ("123456|securemode=3,signmethod=sha256,timestamp=1548753362502|", "upper", 4),
        ("123457|securemode=2,signmethod=sha256,timestamp=1548753362502|", "upper", 4),
        ("123456|securemode=2,signmethod=sha256,timestamp=1548753362503|", "upper", 4),
        ("123456", "upper", 4),
    ],
)
def test_the_signature_of_a_connect_is_checked(
    client_id: str, password: str, expected: int
) -> None:
    """A rehearsal that lets anyone in would not find a wrong signature."""
    right = sign("123456", "gw-1", "gateway", 1548753362502, SECRETS[GATEWAY])
    password = right if password == "upper" else right.lower()

    assert platform().connect(client_id, "gw-1&gateway", password, NOW).code == expected


JAVA = "{ip=10.0.0.1,version=2.2.16,compress=%s}"


@pytest.mark.parametrize(
    ("name", "expected", "how"),
    [
        ("any", 0, "open"),
        ("any" + JAVA % "DEFAULT", 0, "open"),
        ("any" + JAVA % "GZIP", 0, "open"),
        ("any{compress=GZIP}", 0, "open"),
        ("any" + JAVA % "LZ4", 2, "refused: compression by LZ4 is not served"),
        ("any" + JAVA % "LZO", 2, "refused: compression by LZO is not served"),
        ("any" + JAVA % "gzip", 2, "refused: compression by gzip is not served"),
        ("", 2, "refused: empty client id"),
        ("{compress=GZIP}", 2, "refused: empty client id"),
        ("x" * 64 + JAVA % "GZIP", 0, "open"),
        ("x" * 65, 2, "refused: client id of 65 characters"),
        ("é" * 64, 0, "open"),
    ],
)
def test_a_client_id_decides_about_compression(name: str, expected: int, how: str) -> None:
    """What is not served is refused by name, rather than answered in a form nobody can read."""
    of = platform()
    fields = sign_in(*GATEWAY, SECRETS[GATEWAY], client_id=name, timestamp=5)

    assert of.connect(fields.client_id, fields.username, fields.password, NOW).code == expected
    assert of.sessions[0]["how"] == how


def test_the_signature_covers_the_block_of_the_client_id() -> None:
    """A client that signs its name alone would be refused by the platform."""
    fields = sign_in(*GATEWAY, SECRETS[GATEWAY], client_id="any", timestamp=5)
    client_id = fields.client_id.replace("any", "any{compress=GZIP}")

    assert platform().connect(client_id, fields.username, fields.password, NOW).code == 4


@pytest.mark.parametrize(
    ("keepalive", "limits", "expected"),
    [
        (60, {}, 0), (300, {}, 0), (59, {}, 5), (301, {}, 5), (0, {}, 5),
        (1, {"min_keepalive": None}, 0),
        (0, {"min_keepalive": None}, 5),
        (65_535, {"max_keepalive": None}, 0),
        (0, {"max_keepalive": None}, 0),
        (10, {"min_keepalive": 10, "max_keepalive": 10}, 0),
    ],
)  # fmt: skip
def test_a_keepalive_is_within_the_platforms_range(
    keepalive: int, limits: dict[str, Any], expected: int
) -> None:
    """Documented as 60 to 300 s; a client without any would never be missed."""
    of = platform(**limits)
    fields = sign_in(*GATEWAY, SECRETS[GATEWAY], client_id="any", timestamp=5)
    admission = of.connect(
        fields.client_id, fields.username, fields.password, NOW, keepalive=keepalive
    )

    assert admission.code == expected
    assert of.sessions[0]["how"] == (f"refused: keepalive of {keepalive} s" if expected else "open")


@pytest.mark.parametrize(
    ("allowed", "device", "expected"),
    [(True, ONLINE, 0), (False, ONLINE, 5), (False, STRANGER, 0), (False, GATEWAY, 0)],
)
def test_whether_a_sub_device_may_connect_is_a_choice(
    allowed: bool, device: tuple[str, str], expected: int
) -> None:
    """The platform knows code 771 for it; a device outside any topology is on its own."""
    of = platform(sub_devices_connect=allowed)
    fields = sign_in(*device, SECRETS[device], client_id="any", timestamp=5)

    assert of.connect(fields.client_id, fields.username, fields.password, NOW).code == expected
    assert ("771" in of.sessions[0]["how"]) == bool(expected)


def test_a_newcomer_takes_the_session_over() -> None:
    """One session per device: two clients with the same credentials fight."""
    of = platform()
    ask(of, login((OFFLINE, SECRETS[OFFLINE])), LOGIN)
    first, second = connect(of, NOW), connect(of, NOW + 1)
    of.end(first.session, "lost", NOW + 2)

    assert [row["how"] for row in of.sessions] == ["taken over", "open"]
    of.end(second.session, "disconnected", NOW + 3)
    assert [row["ended_at"] for row in of.sessions] == [NOW + 1, NOW + 3]


def test_the_sign_ins_of_sub_devices_end_with_the_session() -> None:
    """After a reconnect every sub-device has to sign in again."""
    of = platform()
    admission = connect(of, NOW)
    ask(of, login((OFFLINE, SECRETS[OFFLINE])), LOGIN)
    assert ask(of, request(entry(OFFLINE, P=1.0)))["code"] == 200
    of.end(admission.session, "lost", NOW)

    assert ask(of, request(entry(OFFLINE, P=1.0)))["code"] == 1212


def test_a_device_that_connects_too_often_is_blocked() -> None:
    """More than 4 attempts in 2 minutes block a device for 5; good ones count, too."""
    of = platform()
    codes = [connect(of, NOW + 1_000 * n, "wrong" if n % 2 else SECRETS[GATEWAY]).code
             for n in range(6)]  # fmt: skip

    assert codes == [0, 4, 0, 4, 5, 5]
    assert connect(of, NOW + 303_999).code == 5
    assert connect(of, NOW + 304_000).code == 0
    assert of.sessions[-2]["how"] == "refused: blocked"


def test_polite_attempts_are_never_blocked() -> None:
    """Four attempts within any two minutes are allowed, for ever."""
    of = platform()

    assert {connect(of, NOW + 30_000 * n).code for n in range(50)} == {0}


def test_rates_are_answered_with_429_and_recover() -> None:
    """A client must be able to rehearse being slowed down."""
    of = platform(max_values_per_second=2)
    payload = request(entry(P=1.0, state=1))
    codes = [orjson.loads(of.receive(GATEWAY, BATCH, payload, NOW + t) or b"")["code"]
             for t in (0, 500, 1_000)]  # fmt: skip
    slow = platform(max_bytes_per_second=len(payload))

    assert codes == [200, 429, 200]
    assert [ask(slow, payload)["code"], ask(slow, payload)["code"]] == [200, 429]
    assert ask(slow, payload)["id"] == "7"


def test_every_request_is_noted() -> None:
    """An auditor compares what a client says it sent with what the platform received."""
    of = platform()
    ask(of, request(entry(P=1.0, state=1), entry(nope=1), id=9))

    assert of.requests == [
        {"received_at": NOW, "device_key": "gw-1", "topic": BATCH, "request_id": "9",
         "n_bytes": len(request(entry(P=1.0, state=1), entry(nope=1), id=9)), "n_entries": 2,
         "n_values": 3, "code": 1204}
    ]  # fmt: skip


def test_no_secret_is_shown() -> None:
    """A world that is printed in a traceback must not give secrets away."""
    assert "secret of" not in repr(platform().world)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_bytes": 0},
        {"connects": -1},
        {"block": None},
        {"bool_form": "text"},
        {"max_values_per_second": True},
        {"sub_devices_connect": 1},
        {"range_violations": "no"},
        {"latest": 1.5},
        {"latest": None},
        {"earliest": -(2**64)},
        {"earliest": 1, "latest": 0},
        {"min_keepalive": 400},
        {"max_keepalive": 0},
        {"max_client_id": True},
    ],
)
def test_a_limit_that_means_nothing_is_refused(limits: dict[str, Any]) -> None:
    """The mistake surfaces where it was made."""
    with pytest.raises(ConfigError, match=next(iter(limits))):
        PlatformLimits(**limits)
