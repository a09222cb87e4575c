"""Random histories of devices that work offline: what happens in them, what always holds, and what they come to.

Two devices and now and then a clone of one of them write, take back, go on and off line, lose their connection at any
message, and get older files back, while others write on the server, which takes grants away and changes its identity.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from syncline.client import ResyncRequired, SyncError
from tests.chaos.offline_device import Act, OfflineDevice, OnAll, OnRecord, Transaction, Write
from tests.chaos.offline_schema import BUCKETS, KEYS, KIND_OF, SCOPE_OF, SCOPES, VALUES
from tests.chaos.offline_server import OfflineServer, Place, ServerWrite
from tests.harness.breaking_proxy import Loss

STEPS = 10
ROUNDS_TO_REST = 8
"""In how many rounds of synchronising all devices must come to rest. A conflict takes two."""

DEVICE = st.integers(0, 2)
PLACES = ("first", "second")
"""Names that a history gives to the object types that it is about: few, so that everybody is after the same records."""
KIND = st.sampled_from(PLACES)
KEY = st.sampled_from(KEYS)
FIELD = st.sampled_from("ab")
VALUE = st.sampled_from([*VALUES, None])
UPLOAD_BATCH = st.sampled_from([1, 2, 500])
WRITE = st.builds(
    Write,
    action=st.sampled_from([*["put"] * 6, *["remove"] * 2, "create", "update", "delete"]),
    kind=KIND,
    key=KEY,
    field=FIELD,
    value=VALUE,
    parent=KEY,
    bucket=st.sampled_from(["", "", "", *BUCKETS]),
    upload=st.sampled_from([*[True] * 5, False]),
)
ACT = st.one_of(
    *[st.builds(Transaction, writes=st.tuples(WRITE))] * 3,
    *[st.builds(Transaction, writes=st.lists(WRITE, min_size=2, max_size=4).map(tuple))] * 2,
    st.builds(OnRecord, act=st.sampled_from(["roll_back", "undo", "resend", "hide", "mark"]), kind=KIND, key=KEY),
    st.builds(OnAll, act=st.sampled_from(["resend_all", "mark_all", "mark_all", "restart", "roll_back_all"])),
)
ACTS = st.lists(ACT, max_size=5)
"""What an application does before the step at hand."""
SERVER_WRITE = st.builds(
    ServerWrite,
    kind=KIND,
    key=KEY,
    field=FIELD,
    value=VALUE,
    gone=st.sampled_from([False, False, True]),
    bucket=st.none() | st.sampled_from(BUCKETS),
)
SERVER_WRITES = st.lists(SERVER_WRITE, max_size=4)


class OfflineHistory(RuleBasedStateMachine):
    """One history."""

    place: ClassVar[Place]
    failures: ClassVar[list[Exception]]
    """All of them: should the same steps not fail again, as when threads raced, this is what is known."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(mkdtemp(dir=self.place.folder))
        self._server = OfflineServer(self.place)
        self.devices: list[OfflineDevice] = []
        self._copies: dict[Path, Path] = {}
        self._failed = False
        self._kinds: dict[str, str] = {}
        self._log: list[str] = []

    @initialize(kinds=st.permutations(sorted(KIND_OF)), by_page=st.booleans(), granted=st.booleans())
    def begin(self, kinds: list[str], by_page: bool, granted: bool) -> None:
        self._kinds = dict(zip(PLACES, kinds, strict=False))
        self._log.append(f"{self._kinds}, {by_page=}, {granted=}")
        for kind in KIND_OF:
            self._server.write(ServerWrite(kind, KEYS[0], "a", VALUES[1], gone=False, bucket=None))
        for number in range(2):
            device = OfflineDevice(self._folder / f"{number}.db", self._server, by_page=by_page)
            self._server.register(device.uuid, *(BUCKETS if granted or number else ()))
            self.devices.append(device)
            self._sync(device)

    @rule(number=DEVICE, acts=ACTS, writes=SERVER_WRITES)
    def work(self, number: int, acts: list[Act], writes: list[ServerWrite]) -> None:
        self._on(number, acts, lambda device: None)
        self._log.append(f"meanwhile on the server {writes}")
        for write in writes:
            self._do(partial(self._server.write, write._replace(kind=self._kinds[write.kind])))

    @rule(number=DEVICE, acts=ACTS, scope=st.none() | st.sampled_from(SCOPES), upload_batch=UPLOAD_BATCH)
    def sync(self, number: int, acts: list[Act], scope: str | None, upload_batch: int) -> None:
        self._on(number, acts, partial(self._sync, scope=scope, upload_batch=upload_batch))

    @rule(number=DEVICE, acts=ACTS)
    def push(self, number: int, acts: list[Act]) -> None:
        self._on(number, acts, self._push)

    @rule(
        number=DEVICE,
        acts=ACTS,
        loss=st.sampled_from(Loss),
        messages=st.sampled_from([0, *[1] * 4, 2, 2, 3, 4, 6, 9]),
        stays=st.booleans(),
        upload_batch=UPLOAD_BATCH,
    )
    def sync_on_a_bad_line(
        self, number: int, acts: list[Act], loss: Loss, messages: int, stays: bool, upload_batch: int
    ) -> None:
        """The connection is lost with one message; the first is about the session, the next ones about changes."""

        lose = partial(self._lose, loss=loss, messages=messages, stays=stays, upload_batch=upload_batch)
        self._on(number, acts, lose)

    @rule(number=DEVICE, acts=ACTS, act=st.sampled_from(["keep", "put back", "clone"]))
    def copy(self, number: int, acts: list[Act], act: str) -> None:
        copies = {"keep": self._keep_copy, "put back": self._put_back_copy, "clone": self._clone}
        self._on(number, acts, copies[act])

    @rule(
        number=DEVICE,
        acts=ACTS,
        event=st.sampled_from(["reset", "reconcile", "resync", "grant", "expire", "epoch"]),
    )
    def happen_rarely(self, number: int, acts: list[Act], event: str) -> None:
        events: dict[str, Callable[[OfflineDevice], None]] = {
            "reset": self._reset,
            "reconcile": self._reconcile,
            "resync": self._resync,
            "grant": self._toggle_grant,
            "expire": self._expire,
            "epoch": self._renew_store_epoch,
        }
        self._on(number, acts, events[event])

    def teardown(self) -> None:
        try:
            if not self._failed:
                self._come_to_rest()
        finally:
            for device in self.devices:
                device.close()
            self._server.close()
            shutil.rmtree(self._folder)

    def _on(self, number: int, acts: list[Act], step: Callable[[OfflineDevice], None]) -> None:
        """Let one device do something: these acts, then the step."""
        device = self.devices[number % len(self.devices)]
        self._log.append(f"{device.path.stem}: {acts}, then {step}")
        for act in acts:
            self._do(partial(act.about(self._kinds).do, device))
        self._do(partial(step, device), device)

    def _do(self, act: Callable[[], None], device: OfflineDevice | None = None) -> None:
        """Do something; with the server if a device is named, whose turn it is."""
        try:
            self._server.uploading = None if device is None else device.path
            act()
            if device is not None:
                self._server.check()
        except Exception as error:
            self._failed = True
            error.add_note("\n".join(self._log))
            self.failures.append(error)
            raise

    def _sync(self, device: OfflineDevice, scope: str | None = None, **options: Any) -> None:
        """A synchronisation that nothing disturbs comes to a checkpoint (G5), and nothing is left over (G7)."""
        scopes = SCOPES if scope is None else (scope,)
        before = device.content
        with device.step(downloads=True):
            device.replica.sync(scopes=() if scope is None else scopes, **options)
        content = device.content
        within = {kind for kind, its_scope in SCOPE_OF.items() if its_scope in scopes}
        held = {item: row for item, row in content.base.items() if item[0] in within}
        wanted = {item: row for item, row in self._server.records(device.uuid).items() if item[0] in within}
        assert held == wanted, f"at a checkpoint the file holds {held}, the server {wanted}"
        waiting = content.held_back()
        for change in content.changes:
            if change.item[0] not in within or change.state in ("deferred", "rejected", "hidden"):
                continue
            assert change.state == "pending", f"left after a synchronisation: {change}"
            # What takes back a change that was sent is made of its verdict, and goes with the next run.
            fresh = change.uuid not in before.made()
            assert fresh or change.uuid in waiting, f"held back for nothing: {change} in {content.changes}"

    def _lose(self, device: OfflineDevice, *, loss: Loss, messages: int, stays: bool, upload_batch: int) -> None:
        """Synchronise, and lose the connection on the way."""
        self._server.proxy.break_at(loss, messages, stays=stays)
        with device.step(downloads=True):
            try:
                device.replica.sync(upload_batch=upload_batch)
            except SyncError as error:
                if not (stays and error.transient):
                    raise
        if self._server.proxy.mend() and stays:
            for each in self.devices:
                each.restart()  # else gRPC would wait before it tries to connect again

    def _push(self, device: OfflineDevice) -> None:
        """What waits goes up, and nothing comes down. A device that must load everything anew has to do that first."""
        must_load = False
        with device.step():
            try:
                device.replica.push()
            except ResyncRequired:
                must_load = True
        assert must_load or not device.content.in_state("sent")

    def _keep_copy(self, device: OfflineDevice) -> None:
        self._copies[device.path] = device.path.with_suffix(".copy")
        device.copy_to(self._copies[device.path])

    def _put_back_copy(self, device: OfflineDevice) -> None:
        if device.path in self._copies:
            self._server.shared.add(device.uuid)
            device.put_back(self._copies[device.path])

    def _clone(self, device: OfflineDevice) -> None:
        """Give a device a second file; one that is there already goes, with what was made in it."""
        self._server.shared.add(device.uuid)
        path = self._folder / f"clone {len(list(self._folder.iterdir()))}.db"
        device.copy_to(path)
        for replaced in self.devices[2:]:
            replaced.close()
        self.devices[2:] = [OfflineDevice(path, self._server, by_page=device.by_page)]

    def _reconcile(self, device: OfflineDevice) -> None:
        with device.step(downloads=True):
            report = device.replica.reconcile()
        assert report.differing == 0

    def _reset(self, device: OfflineDevice) -> None:
        device.reset()
        self._sync(device)

    def _resync(self, device: OfflineDevice) -> None:
        with device.step(downloads=True):
            device.replica.sync(full_resync=True)

    def _toggle_grant(self, device: OfflineDevice) -> None:
        self._server.toggle_grant(device.uuid)

    def _renew_store_epoch(self, _: OfflineDevice) -> None:
        self._server.renew_store_epoch()

    def _expire(self, _: OfflineDevice) -> None:
        """All devices expire. Receipts go with that, so that no file may come back from before."""
        if len(self.devices) == 2 and not any(device.content.in_state("settled") for device in self.devices):
            self._copies.clear()
            self._server.expire_devices()

    def _come_to_rest(self) -> None:
        """G12: without faults, and with everything that was refused taken back, all come to hold the same."""
        for device in self.devices:
            self._do(device.restart)
        for _ in range(ROUNDS_TO_REST):
            for device in self.devices:
                self._do(device.mark_all)
                self._do(partial(self._sync, device), device)
                self._do(device.roll_back_rejected)
            if not any(device.content.made() for device in self.devices):
                break
        else:
            raise AssertionError(f"no rest: {[device.content.changes for device in self.devices]}")
        for device in self.devices:
            self._do(partial(self._sync, device), device)
            hidden = {change.item for change in device.content.changes}
            assert device.content.overlays == len(hidden)


@contextmanager
def one_history(where: Place, *kinds: str) -> Iterator[OfflineHistory]:
    """A history about these two object types to be told step by step; it comes to rest in the end."""

    class History(OfflineHistory):
        place = where
        failures: ClassVar[list[Exception]] = []

    history = History()
    history.begin(list(kinds), by_page=False, granted=True)
    try:
        yield history
    finally:
        history.teardown()


def run_histories(where: Place, seed_number: int, histories: int, *, shrink: bool = True) -> None:
    """Run so many histories. The same seed gives the same ones; one that fails is shown, and shrunk before."""

    @seed(seed_number)
    class History(OfflineHistory):
        place = where
        failures: ClassVar[list[Exception]] = []

    try:
        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=histories,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                print_blob=True,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            ),
        )
    except Flaky as flaky:
        raise History.failures[0] from flaky
