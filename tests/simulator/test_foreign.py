"""Clients and a broker of other people: what they send is what users send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import foreign
import pandas as pd
import pytest
from simulator.test_mosquitto import numbered, replayed
from simulator.test_mqtt import wait_for

import mpreplay as mp
from mpreplay.protocol.signature import sign_in

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT", maximum=2500)})
TURBINES = [("turbine", "T1"), ("turbine", "T2"), ("turbine", "T3")]

# Prints the code of each reply, in the order of the questions.
VENDOR = """
import json, sys
from enos.core.MqttClient import MqttClient
from enos.message.upstream.resume import MeasurepointResumeBatchRequest as resume_batch
from enos.message.upstream.resume.MeasurepointResumeRequest import MeasurepointResumeRequest
from enos.message.upstream.status.SubDeviceLoginBatchRequest import SubDeviceLoginBatchRequest
from enos.message.upstream.status.SubDeviceLoginRequest import SubDeviceLoginRequest
from enos.message.upstream.status.SubDeviceLogoutRequest import SubDeviceLogoutRequest
from enos.message.upstream.topo.SubDeviceInfo import SubDeviceInfo
from enos.message.upstream.topo.TopoAddRequest import TopoAddRequest
from enos.message.upstream.topo.TopoDeleteRequest import TopoDeleteRequest
from enos.message.upstream.topo.TopoGetRequest import TopoGetRequest
from enos.message.upstream.tsl.TslTemplateGetRequest import TslTemplateGetRequest

url, gateway, t1, t2, t3, stranger = sys.argv[1], *map(json.loads, sys.argv[2:])
client = MqttClient(url, *gateway)
client.connect()

def ask(name, request):
    reply = client.publish(request)
    print(json.dumps([name, reply.get_code(), reply.get_message()]), flush=True)

def reading(device, value):
    made = MeasurepointResumeRequest.builder().add_measure_point("P", value)
    made = made.set_timestamp(1700000000000)
    return made.set_product_key(device[0]).set_device_key(device[1]).build()

def batch(allow, skip, *readings):
    made = resume_batch.MeasurepointResumeBatchRequest.builder().add_requests(list(readings))
    if allow is not None:
        made = made.set_allow_offline_sub_device(allow).set_skip_invalid_measurepoints(skip)
    return made.build()

ask("offline, flags left out", batch(None, None, reading(t1, 1.0)))
ask("offline, allowed", batch(True, False, reading(t1, 1.5), reading(t2, 2.5)))
ask("skipped", batch(True, True, reading(t1, 9999.0), reading(t2, 3.5)))
ask("out of range", batch(True, False, reading(t1, 9999.0)))
ask("login", SubDeviceLoginRequest.builder().set_sub_device_info(*t1).build())
logins = SubDeviceLoginBatchRequest.builder()
for device in (t2, stranger, t3):
    logins = logins.add_sub_device_info(*device)
ask("logins", logins.build())
ask("online", batch(None, None, reading(t1, 4.5)))
ask("single", reading(t2, 5.5))
ask("delete online", TopoDeleteRequest.builder().delete_sub_device(t3[0], t3[1]).build())
logout = SubDeviceLogoutRequest.builder().set_sub_product_key(t3[0])
ask("logout", logout.set_sub_device_key(t3[1]).build())
ask("delete", TopoDeleteRequest.builder().delete_sub_device(t3[0], t3[1]).build())
ask("deleted", batch(True, False, reading(t3, 1.0)))
ask("add", TopoAddRequest.builder().add_sub_device(SubDeviceInfo(*t3)).build())
ask("get", TopoGetRequest.builder().build())
ask("not served", TslTemplateGetRequest.builder().build())
client.close()
"""
CODES = {
    "offline, flags left out": 1212, "offline, allowed": 200, "skipped": 200, "out of range": 1204,
    "login": 200, "logins": 740, "online": 200, "single": 200, "delete online": 1256, "logout": 200,
    "delete": 200, "deleted": 1212, "add": 200, "get": 200, "not served": 1009,
}  # fmt: skip


@pytest.fixture(scope="module")
def platform() -> Iterator[Any]:
    """Run a platform that any of the clients may connect to as often as it likes."""
    with mp.simulate(
        MODEL,
        sub_devices=TURBINES,
        devices=[("turbine", "T9")],
        limits=mp.PlatformLimits(connects=None),
    ) as running:
        yield running


def secret_of(platform: Any, device: tuple[str, str]) -> str:
    """Return a device with its secret, as JSON."""
    return json.dumps([*device, platform.connection_for(*device).device_secret.reveal()])


def test_the_vendors_own_client_is_served(
    platform: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All that it sends about measurement points and sub-devices, and a question not served."""
    python = foreign.vendors_python(tmp_path_factory)
    devices = [("gateway", "gw-1"), *TURBINES, ("turbine", "T9")]
    told = foreign.run_python(
        python, VENDOR, f"tcp://{platform.host}:{platform.port}",
        *[secret_of(platform, device) for device in devices],
    )  # fmt: skip
    replies = [json.loads(line) for line in told.splitlines()]
    texts = {name: text for name, _, text in replies}
    stored = platform.stored("turbine", start="2023-11-14", end="2023-11-15")

    assert {name: code for name, code, _ in replies} == CODES
    assert texts["logins"] == "turbine&T9 has error: Sub device not belong the gateway;"
    assert "does not serve thing/tsltemplate/get" in texts["not served"]
    assert stored["value"].tolist() == [4.5, 5.5]
    assert platform.sessions()["how"].iloc[-1] in {"disconnected", "lost"}


MQTT_JS = """
const mqtt = require('mqtt');
const [url, clientId, username, password, topic, good, bad, ending] = process.argv.slice(1);
const will = { topic, payload: good.replace('1.25', '-7.5'), qos: 1 };
const client = mqtt.connect(url, { clientId, username, password, protocolVersion: 4,
  keepalive: 60, clean: ending !== 'kept', reconnectPeriod: 0, will });
const told = [], ids = new Set([good, bad].map((text) => JSON.parse(text).id));
client.on('connect', async (connack) => {
  told.push(connack.sessionPresent);
  if (!connack.sessionPresent) await client.subscribeAsync(topic + '_reply', { qos: 1 });
  await client.publishAsync(topic, good, { qos: 1 });
  await client.publishAsync(topic, bad, { qos: 0 });
});
client.on('message', (_, payload, packet) => {
  const reply = JSON.parse(payload.toString());
  // A session that was kept may hold replies to the run before.
  if (!ids.delete(reply.id)) return;
  told.push([reply.id, reply.code, packet.qos]);
  if (ids.size) return;
  console.log(JSON.stringify(told));
  if (ending !== 'lost') { client.end(() => process.exit(0)); return; }
  client.stream.destroy();
  process.exit(0);
});
client.on('error', (error) => { console.error(error.message); process.exit(1); });
setTimeout(() => process.exit(2), 20000);
"""


@pytest.mark.parametrize(("ending", "value"), [("ended", 1.25), ("lost", -7.5)])
def test_mqtt_js_is_served(
    platform: Any, tmp_path_factory: pytest.TempPathFactory, ending: str, value: float
) -> None:
    """Requests of both kinds, a farewell, and a will without one."""
    folder = foreign.node_modules(tmp_path_factory)
    told = run_mqtt_js(folder, platform.connection, ending)
    wait_for(lambda: platform.sessions()["how"].iloc[-1] != "open")
    wait_for(lambda: platform.stored("gateway")["value"].tolist() == [value])

    assert told[0] is False
    assert sorted(told[1:]) == [["n-1", 200, 1], ["n-2", 1204, 1]]
    assert platform.sessions()["how"].iloc[-1] == {"ended": "disconnected"}.get(ending, ending)


def test_a_session_of_mqtt_js_is_kept(
    platform: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The second connection hears of its replies by the subscription of the first."""
    folder = foreign.node_modules(tmp_path_factory)
    runs = [run_mqtt_js(folder, platform.connection, ending="kept", run=run) for run in "ab"]

    assert [told[0] for told in runs] == [False, True]
    assert [sorted(told[1:]) for told in runs] == [
        [[f"{run}-1", 200, 1], [f"{run}-2", 1204, 1]] for run in "ab"
    ]


def run_mqtt_js(folder: Path, connection: mp.Connection, ending: str, run: str = "n") -> list[Any]:
    """Connect with MQTT.js, send a good and a bad request, and return what it heard."""
    fields = sign_in(
        *connection.device, connection.device_secret.reveal(), client_id=f"js-{ending}", timestamp=5
    )
    good, bad = (
        json.dumps({"id": request_id, "version": "1.0", "method": "thing.measurepoint.resume.batch",
                    "params": [{"measurepoints": {"P": value}, "time": 1}]}, separators=(",", ":"))
        for request_id, value in ((f"{run}-1", 1.25), (f"{run}-2", 9999.0))
    )  # fmt: skip
    told = foreign.run_node(
        folder, MQTT_JS, f"mqtt://{connection.host}:{connection.port}", fields.client_id,
        fields.username, fields.password, "/sys/gateway/gw-1/thing/measurepoint/resume/batch",
        good, bad, ending,
    )  # fmt: skip
    heard: list[Any] = json.loads(told)
    return heard


def test_another_broker_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """The same requests and outcomes behind a broker that is neither ours nor Mosquitto."""
    frame.loc[[1, 6], "P"] = 9999.0
    options = {"on_invalid": "send", "limits": mp.Limits(max_entries=2, connects=None),
               "allow_offline_sub_device": True}  # fmt: skip
    ours, stored = replayed(frame, model, None, **options)
    with foreign.aedes(foreign.node_modules(tmp_path_factory)) as address:
        theirs, stored_there = replayed(frame, model, address, **options)

    pd.testing.assert_frame_equal(numbered(ours.results), numbered(theirs.results))
    pd.testing.assert_frame_equal(ours.books, theirs.books)
    pd.testing.assert_frame_equal(stored, stored_there)
