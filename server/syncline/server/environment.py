"""What every command of the server works with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from uuid import UUID

from syncline.server.admission.first_syncs import FirstSyncs
from syncline.server.admission.stored_limits import StoredLimits
from syncline.server.config import Settings
from syncline.server.drain import Drain
from syncline.server.enrollments.secrets import SecretBox
from syncline.server.identity.caller import current_caller
from syncline.server.notify import Notifier
from syncline.server.requests.connectors.registry import Connectors
from syncline.server.resolvers import Resolvers
from syncline.server.store_threads import StoreThreads
from syncline.server.sync.live_windows import LiveWindows
from syncline.server.token_keys import Sealer, TokenKeys
from syncline.storage import Store


@dataclass(frozen=True, slots=True)
class Environment:
    """One running server's parts."""

    settings: Settings
    store: Store
    threads: StoreThreads
    """The store is called through them only."""
    notifier: Notifier
    drain: Drain
    resolvers: Resolvers
    connectors: Connectors
    secrets: SecretBox
    first_syncs: FirstSyncs
    stored_limits: StoredLimits
    token_keys: TokenKeys
    """What seals tokens; kept up to date while the server runs."""
    windows: LiveWindows = field(default_factory=LiveWindows)
    """What the live streams of this server have sent."""

    @property
    def account_id(self) -> str:
        """The account of the call that is being answered; there is none outside of calls."""
        return current_caller().account_id

    @property
    def principal(self) -> str:
        """Who makes the call that is being answered."""
        return current_caller().principal

    def sealer(self, device_uuid: UUID | None = None) -> Sealer:
        """Seals tokens of the caller's account, or of a device of it."""
        return Sealer(self.token_keys, self.account_id, device_uuid)

    def session_end(self, now: int) -> int:
        """When a session that is used now ends, in microseconds since the epoch."""
        return now + int(self.settings.session_minutes * 60_000_000)


def now_us() -> int:
    """The time, in microseconds since the Unix epoch."""
    return time.time_ns() // 1_000
