"""A client that waits for nothing, for tests that break its connection often."""

from __future__ import annotations

import pytest

from syncline.client import channel


def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and let no client find out from another that a server is gone.

    How long to wait is tested with the thin client.
    """
    monkeypatch.setattr("syncline.client.backoff.FIRST_DELAY_S", 0.001)
    monkeypatch.setattr("syncline.client.backoff.DELAY_S_MAX", 0.005)
    options = dict(channel.CHANNEL_OPTIONS)
    # Not shorter: with a backoff of a millisecond calls may never be tried again, nor end.
    config = options["grpc.service_config"]
    quicker = {'"initialBackoff": "0.1s"': '"initialBackoff": "0.01s"', '"maxAttempts": 4': '"maxAttempts": 2'}
    for wanted, quick in quicker.items():
        assert wanted in config
        config = config.replace(wanted, quick)
    options |= {"grpc.service_config": config, "grpc.use_local_subchannel_pool": 1}
    monkeypatch.setattr(channel, "CHANNEL_OPTIONS", list(options.items()))
