"""Loads a zip of CSV or JSON-lines files, and says what came of every row. Needs the thin client only.

Usage: python load_data.py HOST:PORT FILE.zip
"""

import sys

from syncline.client import SyncError, SyncRequestClient, SyncRequestStatus

try:
    with SyncRequestClient(sys.argv[1]) as client:
        request = client.upload(sys.argv[2])  # durable from here on, whatever becomes of this program
        for state in client.watch(request.sync_request_id):
            print(f"{state.status.name}: {state.progress.read} rows read")
        ended = client.get(request.sync_request_id, details=True)
        if ended.details is not None:
            for object_type, counts in ended.details.object_types.items():
                print(object_type, counts)
        for row in client.details(request.sync_request_id):
            print(f"{row.severity.name} line {row.line} of {row.object_type}: {row.field} {row.reason}")
except (SyncError, OSError) as error:
    sys.exit(f"load_data: {error}")
if ended.status is not SyncRequestStatus.SUCCESS:
    sys.exit(f"load_data: {ended.status.name}: {ended.result_message}")
