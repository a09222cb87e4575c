"""`syncline-server worker`."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import structlog
import typer

from syncline.data.telemetry import SERVICE_WORKER
from syncline.server.admission.stored_limits import StoredLimits
from syncline.server.commands.options import Database
from syncline.server.config import Settings, load_settings
from syncline.server.enrollments.secrets import SecretBox, secret_box
from syncline.server.garbage import collect_seldom
from syncline.server.logs import set_up_logs
from syncline.server.notify import open_notifier
from syncline.server.opening import open_settings_store
from syncline.server.requests.connectors.registry import Connectors, load_connectors
from syncline.server.requests.runner import Runner
from syncline.server.requests.waking import wake_worker
from syncline.server.requests.worker import Worker
from syncline.server.telemetry.metrics_setup import metering
from syncline.server.telemetry.traces_setup import tracing
from syncline.server.thread_turns import take_short_turns
from syncline.storage import Store

_log = structlog.get_logger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker")(worker)


def worker(
    database: Database = None,
    slots: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many sync requests to run at a time. Default: SYNCLINE_WORKER_SLOTS."),
    ] = None,
) -> None:
    """Run sync requests of all accounts until SIGTERM or Ctrl-C, then give back what is not done and stop.

    Any number of workers may run on one database. It must have been prepared by `syncline-server migrate`.
    """
    settings = load_settings(database_url=database, worker_slots=slots)
    set_up_logs(settings.log_level, settings.log_format)
    connectors, secrets = load_connectors(), secret_box(settings)
    collect_seldom()
    take_short_turns()
    with tracing(settings, SERVICE_WORKER), metering(settings, SERVICE_WORKER):
        store = open_settings_store(settings)
        try:
            asyncio.run(work(settings, store, connectors, secrets))
        finally:
            store.close()


async def work(settings: Settings, store: Store, connectors: Connectors, secrets: SecretBox) -> None:
    """Run sync requests until SIGTERM or SIGINT."""
    notifier = open_notifier(settings.database_url)
    runner = Runner(store, connectors, secrets, StoredLimits(settings, store))
    running = Worker(settings, store, runner, notifier)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.stop)
    _log.info("working", slots=settings.worker_slots)
    waking = asyncio.create_task(wake_worker(running, notifier), name="wake worker")
    notifier.start()
    try:
        await running.run()
    finally:
        waking.cancel()
        await asyncio.gather(waking, return_exceptions=True)
        await notifier.stop()
    _log.info("stopped")
