"""Payloads packed as GZIP: what is packed is unpacked, within a bound, and nothing else is."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.protocol.compression import (
    MAX_UNPACKED_BYTES,
    PackError,
    UnpackedTooLarge,
    pack,
    unpack,
)
from mpreplay.protocol.signature import read_client_id

READINGS = b'{"id":"1","params":[{"measurepoints":{"P":1.5},"time":1}]}'


@given(st.binary(max_size=2_000), st.integers(0, 9))
def test_what_is_packed_is_unpacked(payload: bytes, level: int) -> None:
    """At every level, by this module and by the standard library's reader."""
    packed = pack(payload, level)

    assert unpack(packed, len(payload)) == gzip.decompress(packed) == payload
    assert packed == pack(payload, level)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.integers(0, 2**31))
def test_several_members_and_any_time_are_read(parts: list[bytes], mtime: int) -> None:
    """The vendor's reader takes them, so a client may send them."""
    packed = b"".join(gzip.compress(part, mtime=mtime) for part in parts)

    assert unpack(packed) == b"".join(parts)


def test_blocks_of_a_sync_flush_are_read() -> None:
    """A client that packs as it writes flushes in between."""
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(
        packer.compress(bytes([byte])) + packer.flush(zlib.Z_SYNC_FLUSH) for byte in READINGS
    )

    assert unpack(packed + packer.flush()) == READINGS


@given(st.binary(max_size=300))
def test_any_bytes_are_unpacked_or_a_pack_error(data: bytes) -> None:
    """Nothing that a client sends in the name of GZIP brings its reader down."""
    for given_bytes in (data, pack(READINGS)[:10] + data):
        try:
            assert len(unpack(given_bytes, 1_000)) <= 1_000
        except PackError:
            continue


@pytest.mark.parametrize(
    ("packed", "match"),
    [
        (b"", "ends before"),
        (READINGS, "58 bytes is not GZIP"),
        (zlib.compress(READINGS), "not GZIP"),
        (pack(READINGS)[:-1], "ends before"),
        (pack(READINGS)[:-8] + b"\0" * 8, "not GZIP"),
        (pack(READINGS) + b"more", "not GZIP"),
        (pack(b"") * 101, "more than 100 members"),
    ],
)
def test_what_is_not_gzip_is_refused_with_the_reason(packed: bytes, match: str) -> None:
    """Wrapped by zlib, cut short, damaged or followed by something else."""
    with pytest.raises(PackError, match=match):
        unpack(packed)


def test_the_bound_is_the_last_size_that_is_taken() -> None:
    """A bound that is off by one would refuse what the platform takes."""
    assert unpack(pack(READINGS), len(READINGS)) == READINGS
    with pytest.raises(UnpackedTooLarge, match="more than 57 bytes"):
        unpack(pack(READINGS), len(READINGS) - 1)
    with pytest.raises(UnpackedTooLarge):
        unpack(pack(READINGS) * 2, len(READINGS) * 2 - 1)


def test_a_bomb_takes_no_more_memory_than_the_bound() -> None:
    """A hundred kilobytes that would become a hundred megabytes stop at the bound."""
    bomb = pack(bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(UnpackedTooLarge, match=f"more than {MAX_UNPACKED_BYTES:,} bytes"):
            unpack(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(bomb) < 200_000
    assert peak < 3 * MAX_UNPACKED_BYTES


@pytest.mark.parametrize(
    ("client_id", "name", "signed", "block"),
    [
        ("gw|securemode=2|", "gw", "gw", {}),
        (
            "gw{ip=10.0.0.1,version=2.2.16,compress=DEFAULT}|securemode=2|",
            "gw",
            "gw{ip=10.0.0.1,version=2.2.16,compress=DEFAULT}",
            {"ip": "10.0.0.1", "version": "2.2.16", "compress": "DEFAULT"},
        ),
        ("g{w|securemode=2|", "g{w", "g{w", {}),
        ("g}w|securemode=2|", "g}w", "g}w", {}),
        ("{compress=GZIP}|securemode=2|", "", "{compress=GZIP}", {"compress": "GZIP"}),
    ],
)
def test_a_client_id_is_taken_apart(
    client_id: str, name: str, signed: str, block: dict[str, str]
) -> None:
    """The signature covers the block in braces; the limit of characters does not."""
    told = read_client_id(client_id)

    assert (told.name, told.signed) == (name, signed)
    assert {key: value for key, value in told.block.items() if key} == block
    assert told.options["securemode"] == "2"
