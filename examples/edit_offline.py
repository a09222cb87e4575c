"""Edits a device file, with or without a network, and sends the changes when there is one. Needs the thin client only.

Usage: python edit_offline.py HOST:PORT
"""

import sys

from syncline.client import SyncError
from syncline.replica import Replica, ReplicaError

try:
    with Replica.open("device.db", sys.argv[1]) as replica:
        if not replica.schema.version:
            replica.sync()  # a new file learns from the server what there is
        airlines = replica.objects("airlines")
        with replica.transaction():  # all of it goes up as one, or none of it
            airlines.create({"carrier": "ZZ", "name": "Zigzag Air"})
            airlines.update_by_pk("UA", {"name": "United"})
        airlines.delete_by_pk("HA")
        airlines.roll_back_pending_local_changes_by_pk("HA")  # not sent yet, so it can be taken back
        for change in airlines.get_pending_upload():
            print(change.operation.value, change.key, change.data)
        report = replica.sync()
        print(f"{report.upload.total} changes went up, {len(report.upload.rejected)} were refused")
except SyncError as error:
    sys.exit(f"edit_offline: {error}; the changes wait in device.db")
except ReplicaError as error:
    sys.exit(f"edit_offline: {error}")
