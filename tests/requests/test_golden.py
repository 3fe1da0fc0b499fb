"""The message as the platform documents it, made from a DataFrame: equal, key for key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
import strategies

from mpreplay import Measurepoint, ThingModel, read_history
from mpreplay.protocol.messages import METHOD, decode_reply
from mpreplay.settings import Policy

GOLDEN = Path(__file__).parents[1] / "golden"
REQUEST = json.loads((GOLDEN / "batch_request.json").read_text(encoding="utf-8"))
REPLY = (GOLDEN / "batch_reply.json").read_bytes()
POWER = Measurepoint(
    "Power", "STRUCT", members=(Measurepoint("value", "INT"), Measurepoint("quality", "INT"))
)
MODEL = ThingModel(
    "Page",
    {
        "Power": POWER,
        "temp": Measurepoint("temp", "DOUBLE"),
        "branchCurr": Measurepoint("branchCurr", "ARRAY", item_type="STRING"),
    },
)
FRAME = pd.DataFrame(
    {
        "time": [123456, 123567, 123456],
        "product": ["product1", "product1", "product2"],
        "device": ["device1", "device1", "device2"],
        "Power": [{"value": v, "quality": 9} for v in (1, 2, 1)],
        "temp": [1.02, 2.02, 1.02],
        "branchCurr": [
            ["1.02", "2.02", "7.93"],
            ["2.02", "3.02", "9.93"],
            ["1.02", "2.02", "7.93"],
        ],
    }
)
DOTTED = FRAME.drop(columns="Power").assign(
    **{"Power.value": [1, 2, 1], "Power.quality": [9, 9, 9]}
)
BOTH = Policy(allow_offline_sub_device=True, skip_invalid_measurepoints=True)


def payload(
    frame: pd.DataFrame,
    model: Any = MODEL,
    policy: Policy = BOTH,
    own: tuple[str, str] = ("gateway", "gw-1"),
) -> bytes:
    """Return the one request that a frame makes."""
    history = read_history(
        frame,
        time_column="time",
        time_unit="ms",
        product_column="product",
        device_column="device",
        plausible=None,
    )
    [slab] = strategies.prepare(history, model, policy, own=own)
    [chunk] = slab.chunks()
    return chunk.payload("123", policy)


@pytest.mark.parametrize(
    "model", [MODEL, {"product1": MODEL, "product2": MODEL}], ids=["one model", "one a product"]
)
def test_the_documented_request_is_made(model: Any) -> None:
    """Equal as JSON and in the order of its keys: what the platform's own page shows."""
    made = json.loads(payload(FRAME, model))

    assert json.dumps(made) == json.dumps(REQUEST)


def test_the_order_of_the_rows_does_not_matter() -> None:
    """Entries go out by product, device and time, however the history lies on disk."""
    assert json.loads(payload(FRAME.iloc[::-1])) == REQUEST


def test_a_struct_in_dotted_columns_makes_the_same_bytes() -> None:
    """Files without nested columns lose nothing; a point's place in the object means nothing."""
    assert json.loads(payload(DOTTED)) == REQUEST


def test_no_byte_is_spent_on_blanks() -> None:
    """At 1 MB/s a blank behind every comma would cost a tenth of the time."""
    written = payload(FRAME)

    assert b" " not in written
    assert written == orjson.dumps(orjson.loads(written))


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("skip", [True, False])
def test_the_flags_are_booleans_beside_params(offline: bool, skip: bool) -> None:
    """Their names and their place are the protocol's, and false is said, not left out."""
    made = json.loads(payload(FRAME, policy=Policy(offline, skip)))

    assert list(made) == list(REQUEST)
    assert made["allowOfflineSubDevice"] is offline
    assert made["skipInvalidMeasurepoints"] is skip
    assert made["method"] == METHOD


def test_the_connections_own_device_is_not_named() -> None:
    """The platform takes the gateway's keys where none are given; others are still named."""
    made = json.loads(payload(FRAME, own=("product1", "device1")))["params"]

    assert [list(entry) for entry in made] == [
        ["measurepoints", "time"],
        ["measurepoints", "time"],
        ["productKey", "deviceKey", "measurepoints", "time"],
    ]
    assert [e["measurepoints"] for e in made] == [e["measurepoints"] for e in REQUEST["params"]]


def test_a_device_of_the_same_key_in_another_product_is_named() -> None:
    """The pair names a device; half of it is a coincidence."""
    made = json.loads(payload(FRAME, own=("product2", "device1")))

    assert made == REQUEST


def test_the_documented_reply_is_read() -> None:
    """The id leads back to the request; 200 says accepted."""
    reply = decode_reply(REPLY)

    assert (reply.request_id, reply.code, reply.data) == (REQUEST["id"], 200, {})
