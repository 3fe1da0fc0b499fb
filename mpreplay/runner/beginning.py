"""The beginning of a run: the first facts of its journal, and the warnings. A shell."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Argument, ReplayWarning, message
from ..files.search_rules import grouped
from ..journal.lineage import begin_lineage
from ..journal.reader import read_journal
from ..protocol.addresses import is_loopback
from ..protocol.codes import NO_SUB_DEVICE
from ..sources.source import digest_of
from ..version import __version__

if TYPE_CHECKING:
    from ..checks.repeats import Duplicates
    from ..journal.fingerprint import Fingerprint
    from ..journal.unfinished import Unfinished
    from ..journal.writer import Journal
    from ..order import Order
    from ..secret import Secret
    from ..settings import Connection

__all__ = ["Beginning", "told_of_empty", "warn_of_empty", "warn_of_offline", "warn_of_plain"]


@dataclass(frozen=True, slots=True)
class Beginning:
    """The facts of a run that a journal records at the beginning or when the run is continued."""

    book: Journal
    order: Order
    connection: Connection
    made_from: Fingerprint
    is_kept: bool  # False if the journal goes with the object of the run

    def noted(
        self,
        unfinished: Unfinished,
        duplicates: Duplicates,
        wall: float,
        kept: Mapping[int, str],
        *,
        is_found: bool = True,
    ) -> int:
        """Record the facts of the run, and return its next request id.

        ``kept`` are the files of streams, by the number of their source; ``is_found`` is False if
        the duplicates are still to be found.

        Ids are unique for a gateway across runs, so that a late reply to an earlier run settles
        nothing here: the run's start in milliseconds, and six digits to count.
        """
        now = round(wall * 1000)
        facts = {
            "ended": None,
            "read_all": False,
            "limits": self.order.limits.as_dict(),
            "isolate": self.order.isolate,
            "version": __version__,
        }
        book = self.book
        if not book.is_new:
            earlier = read_journal(book.path).facts()
            times = int(earlier.get("continued", 0)) + 1
            book.note(**facts, **_next_leg(earlier, now), continued=times)
            return int(unfinished.last_id or now * 1_000_000) + 1
        history = self.order.history
        book.begin(
            self.order.models.items(),
            **facts,
            started_at=now,
            leg_started_at=now,
            is_kept=self.is_kept,
            run_uuid=str(uuid.uuid4()),
            **begin_lineage(history, book.path, now),
            n_rows=duplicates.n_rows,
            sources=[
                digest_of(source) | ({"kept": kept[n]} if n in kept else {})
                for n, source in enumerate(history.sources)
            ],
            left_out=grouped(history.left_out),
            plausible=history.bounds,
            columns_left_out=history.columns_left_out(self.order.models.all()),
            gateway=self.connection.device_key,
            connection=self.connection.to_uri(),
            fingerprint=self.made_from,
            duplicates=duplicates.as_dict() if is_found else None,
        )
        return now * 1_000_000


def _next_leg(facts: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the facts of a leg that begins: it closes the one before, so far as its end is known.

    The time between legs is no time of the run.
    """
    leg = [facts.get("leg_started_at"), facts.get("ended_at")]
    return {"legs": [*facts.get("legs", []), leg], "leg_started_at": now, "ended_at": None}


def warn_of_plain(connection: Connection) -> None:
    """Warn if readings would travel through a network unencrypted."""
    if not connection.tls and not is_loopback(connection.host):
        told = (
            f"the connection to {connection.host}:{connection.port} is not encrypted: readings and "
            "signatures can be read on their way. Use mqtts:// (tls=True) where the platform has it"
        )
        warnings.warn(ReplayWarning(told), stacklevel=3)


def warn_of_offline(duplicates: Duplicates, order: Order, secrets: Mapping[Any, Secret]) -> None:
    """Warn if the platform may take sub-devices as offline, and decline their requests."""
    others = sorted(duplicates.devices - {order.own})
    if others and not order.policy.allow_offline_sub_device and not secrets:
        told = message(
            f"{f'{len(others):,} sub-devices' if len(others) > 1 else 'a sub-device'} "
            f"({others[0].device_key}{', …' * (len(others) > 1)}) not signed in by this replay, "
            "and allow_offline_sub_device is False: the platform declines requests "
            f"(code {NO_SUB_DEVICE}) that hold one of them which is offline, as far as it knows. "
            "Pass ",
            Argument("sub_device_secrets"),
            " to sign them in, or ",
            Argument("allow_offline_sub_device", True),
        )
        warnings.warn(ReplayWarning(told), stacklevel=3)


def warn_of_empty(duplicates: Duplicates, order: Order) -> None:
    """Warn if there is nothing to read: a wrong interval, or readings that are late."""
    if not duplicates.n_rows:
        warnings.warn(ReplayWarning(told_of_empty(order.window)), stacklevel=3)


def told_of_empty(window: tuple[int | None, int | None]) -> str:
    """Return the warning of a history without a row in a window of times."""
    where = "" if window == (None, None) else " in the interval from start to end"
    return f"the history has no row{where}: nothing is sent, and the run is complete"
