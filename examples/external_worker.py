"""A worker outside the server: does the sync requests of enrollments whose connector is `external`, then ends.

The settings of such an enrollment name a file with one JSON object on each line, and what its records are:
{"file": "/data/airlines.jsonl", "object_type": "airlines"}. Needs the thin client only: the package without extras.

Usage: python external_worker.py HOST:PORT
"""

import json
import sys
from itertools import count, islice
from pathlib import Path

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from syncline.client import LeaseLost, error_from_call
from syncline.v1 import sync_request_pb2 as messages
from syncline.v1 import sync_request_service_pb2 as calls
from syncline.v1.sync_request_service_pb2_grpc import SyncRequestServiceStub


def write_rows(server: SyncRequestServiceStub, leased: calls.LeaseSyncRequestResponse) -> messages.SyncRequest:
    """Send the lines after the cursor; the answer says how it ended. Each call is durable, and keeps the lease."""
    ended = messages.SyncRequest(sync_request_id=leased.sync_request.sync_request_id)
    try:
        settings = json.loads(leased.settings)
        sent = json.loads(leased.cursor or "0")  # lines that an attempt before, or the last request, has sent
        with Path(settings["file"]).open("rb") as file:
            lines = islice(file, sent, None)
            for number in count(1):
                rows = [
                    messages.SourceRow(object_type=settings["object_type"], data=line) for line in islice(lines, 1000)
                ]
                if not rows:
                    break
                sent += len(rows)
                written = server.WriteSyncRequestRows(
                    calls.WriteSyncRequestRowsRequest(
                        lease_token=leased.lease_token,
                        sync_request_id=ended.sync_request_id,
                        batch_number=number,
                        rows=rows,
                        cursor=json.dumps(sent),
                    )
                )
                if written.cancel_asked:
                    ended.status = messages.SYNC_REQUEST_STATUS_CANCELLED
                    return ended
    except (OSError, ValueError, KeyError) as error:
        ended.status, ended.result_message = messages.SYNC_REQUEST_STATUS_FAILED, f"{error!r:.200}"
    else:
        ended.status = messages.SYNC_REQUEST_STATUS_SUCCESS
    return ended


def main(target: str) -> None:
    """Do what there is to do."""
    with grpc.insecure_channel(target) as channel:
        server = SyncRequestServiceStub(channel)
        while (leased := server.LeaseSyncRequest(calls.LeaseSyncRequestRequest(worker="example"))).lease_token:
            try:
                ended = write_rows(server, leased)
                mask = FieldMask(paths=["status", "result_message"] if ended.result_message else ["status"])
                request = server.UpdateSyncRequest(
                    calls.UpdateSyncRequestRequest(lease_token=leased.lease_token, sync_request=ended, update_mask=mask)
                )
                print(request.sync_request_id, messages.SyncRequestStatus.Name(request.status), request.result_message)
            except grpc.RpcError as failed:
                error = error_from_call(failed)
                if not isinstance(error, LeaseLost):  # a lost one is another worker's, or has ended
                    raise error from failed


if __name__ == "__main__":
    main(sys.argv[1])
