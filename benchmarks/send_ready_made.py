"""A contestant: paho publishing ready-made payloads, with the same window.

``python send_ready_made.py HOST PORT READINGS MODEL``; the payloads are those of a replay.
"""

from __future__ import annotations

import queue
import socket
import sys
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from turns import serve
from year import NO_RATES, Pipeline, history_of

import mpreplay as mp
from mpreplay.protocol.messages import batch_reply_topic, batch_topic

GATEWAY = ("gateway", "gw-2")  # not the other contestant's, whose replies it would count


def main(host: str, port: str, readings: str, model_path: str) -> None:
    """Publish all of it once a turn."""
    requests = Pipeline(history_of(readings), mp.ThingModel.load(model_path)).requests()
    replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="ready-made")
    client.max_inflight_messages_set(65_535)
    client.on_socket_open = _no_delay
    client.on_subscribe = lambda *_: replies.put(None)
    client.on_message = lambda _client, _data, message: replies.put(message.payload)
    client.connect(host, int(port))
    client.loop_start()
    client.subscribe(batch_reply_topic(*GATEWAY), 1)
    replies.get(timeout=10)
    topic = batch_topic(*GATEWAY)

    def turn() -> dict[str, float]:
        assert replies.empty()
        begin, cpu = time.perf_counter(), time.process_time()
        for number, payload in enumerate(requests.payloads):
            if number >= NO_RATES.window:
                replies.get(timeout=30)
            client.publish(topic, payload, qos=1)
        for _ in range(min(NO_RATES.window, len(requests.payloads))):
            replies.get(timeout=30)
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
        return {"seconds": took, "cpu_seconds": cpu}

    serve(turn, n_values=requests.n_values, n_bytes=requests.n_bytes)


def _no_delay(_: paho.Client, __: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
