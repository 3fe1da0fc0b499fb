"""The order: what was asked for, checked once for ``replay``, ``plan`` and ``reconcile``.

Pure, apart from the digests that the fingerprint of a history takes of its sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .checks.checker import Checker
from .checks.duplicates import find_duplicates
from .checks.sizes import Room
from .checks.survey import duplicates_of
from .errors import ConfigError
from .history.history import checked_history
from .journal.fingerprint import fingerprint
from .model.device import Device
from .model.model_set import ModelSet
from .requests.preparing import Preparer
from .settings import Limits

if TYPE_CHECKING:
    from .checks.repeats import Duplicates
    from .conversation.isolation import Level
    from .history.history import History
    from .journal.fingerprint import Fingerprint
    from .settings import Connection, Policy

__all__ = ["Order", "check_arguments"]

_LEVELS: Final = ("point", "entry", "device", False)


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for; nothing of it changes while a run goes on.

    Parameters
    ----------
    history : History
        What is sent.
    models : ModelSet
        What its values may be.
    policy : Policy
        What decides which values are sent.
    limits : Limits
        Sizes, rates, attempts.
    own : Device
        The connection's own device.
    checker : Checker
        The judge of values.
    isolate : {"point", "entry", "device", False}
        How far a declined request is taken apart.
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
        """Return a checked order; ``caller`` is the public function that was asked.

        Raises
        ------
        ConfigError
            If an argument cannot work.
        """
        check_arguments(caller, history, isolate)
        limits = limits or Limits()
        models, device = ModelSet.of(model), Device(*own)
        checker = Checker(models, Room.of(limits, policy, device))
        return cls(history, models, policy, limits, device, checker, isolate)

    @property
    def window(self) -> tuple[int | None, int | None]:
        """The times [start, end) that are asked for, in milliseconds; None is open."""
        return self.history.start, self.history.end

    def fingerprint(self, connection: Connection) -> Fingerprint:
        """Return all that the requests of a run depend on, and where they go."""
        return fingerprint(self.history, self.models, self.policy, self.limits, connection)

    def surveyed(self) -> Duplicates:
        """Return the duplicates of the history, or raise InvalidHistory as the policy asks."""
        return duplicates_of(self.history, self.models, self.checker, self.own, self.policy)

    def duplicates(self) -> Duplicates:
        """Return the duplicates of the history, whatever the policy says of raising."""
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
    if not any(isolate is level or (level and isolate == level) for level in _LEVELS):
        raise ConfigError(
            f"isolate must be 'point', 'entry', 'device' or False, got {isolate!r}",
            argument="isolate",
            value=isolate,
        )
