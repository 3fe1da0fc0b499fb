"""The fates of a settled request's values, as a journal records them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..outcome.reject_table import NO_REJECTS
from ..outcome.rejects import name_refused, rejects_of_chunk
from ..protocol.codes import NO_SUB_DEVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from ..model.device import Device
    from ..outcome.settled import Settled
    from ..protocol.messages import Reply
    from ..requests.chunk import Chunk
    from ..requests.tallies import Tally
    from ..settings import Policy

__all__ = ["Fates", "fates_of"]


class Fates(NamedTuple):
    """The fates of the values of a request.

    Parameters
    ----------
    corrections : dict of str to Tally
        Counts by fate to add to those of the request's outcome.
    rejects : Table
        The values that did not arrive, as far as they are listed.
    n_skipped : int
        Number of values of an accepted request that the platform is expected to skip.
    """

    corrections: dict[str, Tally]
    rejects: pa.Table
    n_skipped: int = 0


def fates_of(
    chunk: Chunk,
    settled: Settled,
    refused: Mapping[Device, Reply],
    policy: Policy,
    *,
    lists_unsent: bool,
) -> Fates:
    """Return the fates of the values of a settled request.

    Parameters
    ----------
    chunk, settled
        The request, and how it ended.
    refused : mapping of Device to Reply
        The answers to the sign-ins of sub-devices that were refused.
    policy : Policy
        Flags of the request.
    lists_unsent : bool
        True if values never sent are rejects.
    """
    if settled.outcome == "accepted":
        if not policy.skip_invalid_measurepoints:
            return Fates({}, NO_REJECTS)
        skipped = chunk.tally_suspects()
        corrections = {"declined": skipped, "accepted": -skipped}
        return Fates(corrections, rejects_of_chunk(chunk, settled), skipped.total)
    if settled.outcome == "not_sent" and not lists_unsent:
        return Fates({}, NO_REJECTS)
    rejects = rejects_of_chunk(chunk, settled)
    if settled.code == NO_SUB_DEVICE and refused:
        told = {device: (reply.code, reply.message) for device, reply in refused.items()}
        rejects = name_refused(rejects, told)
    return Fates({}, rejects)
