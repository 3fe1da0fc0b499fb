"""The order: the arguments of ``replay``, ``plan`` or ``reconcile``, checked once.

Reads the clock, and the sources of a history for the digests of its fingerprint; otherwise pure.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .checks.checker import Checker
from .checks.duplicates import find_duplicates
from .checks.nearby import Nearby, rows_if_nearby
from .checks.sizes import Room
from .checks.survey import duplicates_of
from .errors import ConfigError
from .errors.arguments import one_of, shown_briefly
from .history.history import checked_history
from .journal.fingerprint import fingerprint
from .model.device import Device
from .model.model_set import ModelSet
from .requests.preparing import Preparer
from .settings import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .checks.repeats import Duplicates
    from .conversation.isolation import Level
    from .history.history import History
    from .journal.fingerprint import Fingerprint
    from .settings import Connection, Policy

__all__ = ["Order", "check_arguments"]

_LEVELS: Final = ("point", "entry", "device", False)


@dataclass(frozen=True, slots=True)
class Order:
    """The checked arguments of a call, which never change during a run.

    Parameters
    ----------
    history : History
        Readings to be sent.
    models : ModelSet
        Thing models of the values.
    policy : Policy
        Rules for the choice of the values to send.
    limits : Limits
        Sizes, rates, attempts.
    own : Device
        Device of the connection.
    checker : Checker
        Check of the values.
    isolate : {"point", "entry", "device", False}
        Depth to which a declined request is divided.
    """

    history: History
    models: ModelSet
    policy: Policy
    limits: Limits
    own: Device
    checker: Checker
    isolate: Level = "point"

    @classmethod
    def of(
        cls,
        caller: str,
        history: Any,
        model: Any,
        own: tuple[str, str],
        policy: Policy,
        limits: Limits | None,
        isolate: Any = "point",
    ) -> Order:
        """Return a checked order; ``caller`` is the name of the public function.

        Raises
        ------
        ConfigError
            If an argument cannot work.
        """
        check_arguments(caller, history, isolate)
        limits = Limits.of(limits)
        models, device = ModelSet.of(model), Device.of(own, "gateway")
        checker = Checker(models, Room.of(limits, policy, device))
        begun = history.begun(round(time.time() * 1_000))
        return cls(begun, models, policy, limits, device, checker, isolate)

    def as_begun(self, facts: Mapping[str, Any]) -> Order:
        """Return the order with the plausible times of a run that has begun, from its journal."""
        bounds = facts.get("plausible")
        if bounds is None:
            return self
        return replace(self, history=self.history.bounded(tuple(bounds)))

    @property
    def window(self) -> tuple[int | None, int | None]:
        """Requested times [start, end) in milliseconds; None is open."""
        return self.history.start, self.history.end

    def fingerprint(self, connection: Connection) -> Fingerprint:
        """Return the fingerprint of a run: the inputs of its requests, and their destination."""
        return fingerprint(self.history, self.models, self.policy, self.limits, connection)

    def surveyed(self, heed: Callable[[], object] = bool) -> Duplicates:
        """Return the duplicates of the history, or raise InvalidHistory as the policy asks.

        ``heed`` is called at each slab, and raises to end the survey.
        """
        return duplicates_of(self.history, self.models, self.checker, self.own, self.policy, heed)

    def nearby(self, heed: Callable[[], object] = bool) -> Nearby | None:
        """Return the search that finds the duplicates while the history is sent, in one reading.

        None if the policy is to raise before anything is sent, or if slabs that are no neighbours
        may hold the same time. ``heed`` as in :meth:`surveyed`.
        """
        policy = self.policy
        if "raise" in (policy.on_invalid, policy.duplicates):
            return None
        n_rows = rows_if_nearby(self.history, self.models, heed)
        return None if n_rows is None else Nearby(policy.keep, policy.withholds, n_rows)

    def duplicates(self) -> Duplicates:
        """Return the duplicates of the history; never raise InvalidHistory."""
        return find_duplicates(
            self.history,
            self.models,
            self.own,
            self.checker,
            keep=self.policy.keep,
            withhold=self.policy.withholds,
        )

    def preparer(self, duplicates: Duplicates) -> Preparer:
        """Return the maker of this order's requests."""
        return Preparer(self.models, self.checker, self.policy, self.limits, self.own, duplicates)


def check_arguments(caller: str, history: Any, isolate: Any = "point") -> None:
    """Raise ConfigError unless the arguments of a public function can work."""
    checked_history(history, caller)
    if not one_of(*_LEVELS).holds(isolate):
        raise ConfigError(
            f"isolate must be 'point', 'entry', 'device' or False, got {shown_briefly(isolate)}",
            argument="isolate",
            value=isolate,
        )
