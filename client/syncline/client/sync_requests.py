"""The client of sync requests for ordinary programs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Unpack

import grpc

from syncline.client.backoff import Backoff
from syncline.client.batch_upload import BatchFile, UploadProgress, open_batch
from syncline.client.connection import Connection
from syncline.client.endpoint import ConnectionOptions, ServerEndpoint
from syncline.client.errors import SyncError
from syncline.client.request_messages import (
    cancel_request,
    create_request,
    detail_from,
    details_request,
    get_request,
    import_request,
    list_request,
    retry_request,
    sync_request_from,
    upload_header,
    watch_request,
)
from syncline.client.request_models import BatchPlace, Detail, Id, OnMatch, SourceRow, SyncOperation, SyncRequest
from syncline.client.tracing import allow_cancel
from syncline.client.watching import Watching
from syncline.v1.sync_request_service_pb2_grpc import SyncRequestServiceStub


class SyncRequestClient(Connection):
    """Asks for jobs that move data between connected systems and the account's records. Threads may share it.

    Every call raises `syncline.client.SyncError`, by one class per reason. All calls are repeated by themselves if the
    server cannot be reached; what makes a request does so under one `request_id`, so that it makes one.
    """

    def __init__(
        self,
        target: str,
        *,
        resume_attempts_max: int = 8,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Prepare the connection; it is made with the first call.

        Args:
            target: `host:port`, or a name in gRPC's syntax, such as `dns:///sync.example.com:443`.
            resume_attempts_max: How often in a row `upload` and `watch` begin anew without getting an answer.
            connection: Token, TLS and deadline; see `ConnectionOptions`.

        Raises:
            InvalidOption: an argument makes no sense.
        """
        super().__init__(ServerEndpoint.at(target, **connection))
        self._resume_attempts_max = resume_attempts_max
        self._stub = SyncRequestServiceStub(self._channel)

    def create(
        self,
        enrollment_id: Id,
        *,
        full: bool = False,
        operation: SyncOperation = SyncOperation.READ,
        request_id: Id | None = None,
    ) -> SyncRequest:
        """Ask for a run of an app enrollment. Durable when it returns.

        Args:
            enrollment_id: The connected system.
            full: Read all of it, and delete what it no longer has.
            operation: What to do.
            request_id: A UUID: asking again with the same one is the same request. Unset: a new one.

        Raises:
            EnrollmentNotFound: no such enrollment, or it is disabled.
            ConnectorNotFound: its connector is not installed, or cannot do this.
            RequestIdReused: the id was used for something else.
        """
        request = create_request(enrollment_id, full=full, operation=operation, request_id=request_id)
        return sync_request_from(self._call(self._stub.CreateSyncRequest, request))

    def import_records(
        self,
        rows: Iterable[SourceRow],
        *,
        enrollment_id: Id | None = None,
        full: bool = False,
        infer_schema: bool = False,
        request_id: Id | None = None,
        batch: BatchPlace | None = None,
    ) -> SyncRequest:
        """Load records that go with the call. Durable when it returns; they are written by a worker.

        Args:
            rows: At most 5,000. One that does not fit its object type becomes a detail of the request.
            enrollment_id: The connected system that the rows are of. Unset: of none.
            full: The rows, together with those of all batches, are all that the source has; the rest is deleted once
                the last batch has ended. The same in all batches.
            infer_schema: Object types and fields that the schema lacks are inferred from the rows and added to it, and
                fields of whole numbers come to take any number, before the first row is written.
            request_id: As in `create`.
            batch: The place among several.

        Raises:
            EnrollmentNotFound: no such enrollment, or it is disabled.
            BatchInvalid: the batch does not belong where it says.
            RequestIdReused: the id was used for something else.
        """
        request = import_request(
            rows, enrollment_id=enrollment_id, full=full, infer_schema=infer_schema, request_id=request_id, batch=batch
        )
        return sync_request_from(self._call(self._stub.CreateBatchImport, request))

    def upload(
        self,
        source: BatchFile,
        *,
        enrollment_id: Id | None = None,
        full: bool = False,
        on_match: OnMatch = OnMatch.UPDATE,
        infer_schema: bool = False,
        request_id: Id | None = None,
        batch: BatchPlace | None = None,
        progress: UploadProgress | None = None,
    ) -> SyncRequest:
        """Load a zip of CSV or JSON-lines files, one for each object type, named for it. Durable when it returns.

        The file is read twice: to measure it, and to send it. If the connection breaks, it is sent again.

        Args:
            source: A path, or an open file that can be sought, which is sent from where it stands.
            enrollment_id: As in `import_records`.
            full: As in `import_records`.
            on_match: What happens to rows whose record is there.
            infer_schema: As in `import_records`. The key of a new object type is the column `id`, or else the first.
            request_id: As in `create`.
            batch: As in `import_records`.
            progress: Told the bytes sent and those that there are, in a thread of the connection.

        Raises:
            OSError: the file cannot be read.
            PayloadInvalid: the server does not take the file.
            EnrollmentNotFound: no such enrollment, or it is disabled.
            BatchInvalid: the batch does not belong where it says.
            RequestIdReused: the id was used for something else.
        """
        with open_batch(source, progress) as upload:
            upload.measure()
            header = upload_header(
                enrollment_id=enrollment_id,
                full=full,
                on_match=on_match,
                infer_schema=infer_schema,
                request_id=request_id,
                batch=batch,
                sha256=upload.sha256,
                size=upload.size,
            )
            backoff = Backoff(self._resume_attempts_max)
            while True:
                self._check_open()
                metadata, failed = self._credentials()
                try:
                    return sync_request_from(self._stub.UploadBatch(upload.messages(header), metadata=metadata))
                except grpc.RpcError as call:
                    error = failed(call)
                    if upload.failure is not None:
                        raise upload.failure from None
                    if not error.transient:
                        raise error from call
                    error.__cause__ = call
                time.sleep(backoff.delay_after(error))

    def get(self, sync_request_id: Id, *, details: bool = False) -> SyncRequest:
        """One request.

        Args:
            sync_request_id: The request.
            details: With what came of the rows; the request must have ended.

        Raises:
            SyncRequestNotFound: no such request.
            WrongSyncRequestState: details of a request that has not ended.
        """
        return sync_request_from(self._call(self._stub.GetSyncRequest, get_request(sync_request_id, details=details)))

    def list(
        self, where: str = "", *, order_by: str = "", details: bool = False, page_size: int | None = None
    ) -> Iterator[SyncRequest]:
        """Requests by a filter, fetched page by page as they are read.

        Args:
            where: In the Searchlight language, such as `status = FAILED AND createTime > YESTERDAY`. Empty: all.
            order_by: Fields, each with ASC or DESC, separated by commas. Empty: the newest first.
            details: Those that have ended with what came of their rows.
            page_size: How many are fetched at once: 1 to 500.

        Raises:
            FilterInvalid: the filter or the order is none. As all errors, it comes when the first one is read.
        """
        request = list_request(where, order_by=order_by, details=details, page_size=page_size)
        while True:
            response = self._call(self._stub.ListSyncRequests, request)
            yield from map(sync_request_from, response.sync_requests)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def cancel(self, sync_request_id: Id) -> SyncRequest:
        """End a request. One that is in progress ends when its worker hears of it; what is committed stays.

        Raises:
            SyncRequestNotFound: no such request.
            WrongSyncRequestState: it has ended otherwise.
        """
        return sync_request_from(self._call(self._stub.CancelSyncRequest, cancel_request(sync_request_id)))

    def retry(self, sync_request_id: Id, *, request_id: Id | None = None) -> SyncRequest:
        """Make a new request that does again what one that failed or was cancelled was to do.

        Raises:
            SyncRequestNotFound: no such request.
            WrongSyncRequestState: it neither failed nor was cancelled, or it stands for batches.
            RequestIdReused: the id was used for something else.
        """
        request = retry_request(sync_request_id, request_id=request_id)
        return sync_request_from(self._call(self._stub.RetrySyncRequest, request))

    def watch(self, sync_request_id: Id) -> Iterator[SyncRequest]:
        """The request as it stands, and whenever it changes; its final state comes last.

        A broken connection is made again. Leaving the iteration early ends the call.

        Raises:
            SyncRequestNotFound: no such request.
        """
        return self._states(sync_request_id, Watching(self._resume_attempts_max, None))

    def wait(self, sync_request_id: Id, *, timeout_s: float | None = None) -> SyncRequest:
        """Wait for the end of a request; its `status` says how it ended.

        Raises:
            DeadlineExceeded: it has not ended in time; it goes on.
            SyncRequestNotFound: no such request.
        """
        watching = Watching(self._resume_attempts_max, timeout_s)
        for _ in self._states(sync_request_id, watching):
            pass
        return watching.outcome

    def details(self, sync_request_id: Id, *, page_size: int | None = None) -> Iterator[Detail]:
        """What became of rows that did not simply go through, fetched page by page as they are read.

        Args:
            sync_request_id: A request that has ended.
            page_size: How many are fetched at once: 1 to 500.

        Raises:
            SyncRequestNotFound: no such request.
            WrongSyncRequestState: it has not ended.
        """
        request = details_request(sync_request_id, page_size=page_size)
        while True:
            response = self._call(self._stub.ListSyncRequestDetails, request)
            yield from map(detail_from, response.details)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def _states(self, sync_request_id: Id, watching: Watching) -> Iterator[SyncRequest]:
        request = watch_request(sync_request_id)
        while True:
            self._check_open()
            metadata, failed = self._credentials()
            call = self._stub.WatchSyncRequest(request, timeout=watching.left_s(), metadata=metadata)
            allow_cancel(call)
            error: SyncError
            try:
                for message in call:
                    state = watching.received(message)
                    if state is not None:
                        yield state
                    if watching.ended:
                        return
                error = watching.broken_off()
            except grpc.RpcError as broken:
                error = failed(broken)
                error.__cause__ = broken
            finally:
                call.cancel()
            time.sleep(watching.delay_after(error))
