"""Bytes in pieces: the same bytes, from whatever place they are sent on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpreplay.protocol.pieces import Pieces


@given(st.lists(st.binary(max_size=5), max_size=6), st.integers(1, 7))
def test_what_is_sent_bit_by_bit_is_the_whole(pieces: list[bytes], most: int) -> None:
    """A socket takes as much as it likes, and the rest is asked for from there on."""
    whole = Pieces(pieces)
    sent = b""
    while len(sent) < len(whole):
        taken = bytes(whole[len(sent) :])[:most]
        assert taken
        sent += taken

    assert sent == bytes(whole) == b"".join(pieces) == b"".join(whole)
    assert not whole[len(whole) :]


def test_no_piece_is_copied() -> None:
    """A request is half a megabyte, and there are ten thousands of them."""
    text = bytearray(b"0123456789")
    pieces = Pieces([b"[", memoryview(text)[2:6], b"]"])
    rest = pieces[2:]

    assert bytes(rest) == b"345"
    assert rest.obj is text
