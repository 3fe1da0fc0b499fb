"""A session is over for the platform, too, before the replay has ended."""

from __future__ import annotations

from typing import Any

import pandas as pd

import mpreplay as mp


def test_the_platform_knows_that_a_session_is_over_when_the_replay_returns() -> None:
    """Else the next replay through the gateway takes a session over that seems to go on."""
    model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
    times = pd.date_range("2024", periods=2, tz="UTC")
    history = mp.read_history(pd.DataFrame({"P": [1.5, 2.5]}, index=times))
    limits: dict[str, Any] = {"limits": mp.PlatformLimits(connects=None)}
    with mp.simulate(model, gateway=("meter", "m-1"), **limits) as platform:
        for _ in range(8):
            mp.replay(
                history, model, platform.connection, limits=mp.Limits(connects=None)
            ).raise_for_rejects()
        assert platform.sessions()["how"].tolist() == ["disconnected"] * 8
