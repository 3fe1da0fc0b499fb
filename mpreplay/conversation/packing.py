"""A transport whose messages travel packed, both ways, each on its own.

A shell over another transport. Packing is no matter of the requests: ids, digests and sizes are
those of the plain bytes. The packed form is the same each time that a process packs a request; a
later process may pack it into other bytes, by another library, that unpack to the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import PlatformError
from ..protocol.compression import PackError, is_packed, pack_fast, unpack
from ..protocol.messages import MAX_REPLY_BYTES, decode_reply
from .transport import PACKED_BYTES, PLAIN_REPLIES, Message

if TYPE_CHECKING:
    from ..protocol.pieces import Pieces
    from ..settings import Connection
    from .transport import Event, Transport

__all__ = ["PackedTransport", "counts_of_packing", "travelling"]

log = logging.getLogger("mpreplay")


class PackedTransport:
    """A transport that packs what is sent, and unpacks what is received, within a bound.

    Parameters
    ----------
    inner : Transport
        The transport of the packed bytes; its sign-in asks for compression.

    Attributes
    ----------
    counts : dict of str to int
        Bytes published, as they travelled, and the number of messages received in plain.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._is_packing = True  # False once the platform has shown that it does not unpack
        self._is_understood = False  # True once the platform has packed a message itself
        self.counts = {PACKED_BYTES: 0, PLAIN_REPLIES: 0}

    def connect(self) -> None:
        """Sign in and subscribe."""
        self._inner.connect()

    def publish(self, topic: str, payload: bytes | Pieces) -> int:
        """Send one message, packed; return the size in which it travels."""
        travels = pack_fast(bytes(payload)) if self._is_packing else payload
        self._inner.publish(topic, travels)
        self.counts[PACKED_BYTES] += len(travels)
        return len(travels)

    def receive(self, timeout: float) -> Event | None:
        """Return the next event, a message unpacked."""
        event = self._inner.receive(timeout)
        if not isinstance(event, Message) or not event.topic:
            return event
        if is_packed(event.payload):
            self._is_packing = self._is_understood = True
            return _unpacked(event)
        self._note_plain(event.payload)
        return event

    def close(self) -> None:
        """Disconnect."""
        self._inner.close()

    def _note_plain(self, payload: bytes) -> None:
        """Log once that a platform answers in plain, and note what it has understood.

        A platform that unpacks names the request that it answers; one that does not sees no id.
        """
        if not self.counts[PLAIN_REPLIES]:
            log.warning("the platform answers in plain, though compression was asked for")
        self.counts[PLAIN_REPLIES] += 1
        is_in_doubt = self._is_packing and not self._is_understood
        if is_in_doubt and not _names_a_request(payload):
            self._is_packing = False
            log.warning(
                "the platform has not understood a packed message: from here on, all travel in "
                "plain (compression=None spares the attempt)"
            )


def _unpacked(message: Message) -> Message:
    """Return a message, unpacked; without a topic, as of a broken message, if that fails."""
    try:
        return Message(message.topic, unpack(message.payload, MAX_REPLY_BYTES))
    except PackError as error:
        log.warning("%s", str(error))  # a log that keeps records must not keep the payload
        return Message("", b"")


def _names_a_request(payload: bytes) -> bool:
    try:
        return bool(decode_reply(payload).request_id)
    except PlatformError:
        return False


def travelling(transport: Transport, connection: Connection) -> Transport:
    """Return a transport, wrapped in a packing one if the connection is compressed."""
    return PackedTransport(transport) if connection.compression else transport


def counts_of_packing(transport: Transport, earlier: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of a transport, with those of the earlier legs of a run; none in plain."""
    counts = transport.counts if isinstance(transport, PackedTransport) else {}
    names = [name for name in (PACKED_BYTES, PLAIN_REPLIES) if name in counts or name in earlier]
    return {name: counts.get(name, 0) + earlier.get(name, 0) for name in names}
