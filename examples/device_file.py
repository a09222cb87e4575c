"""Brings a device file up to date and reads it with plain SQL. Needs the thin client only: the package without extras.

Usage: python device_file.py HOST:PORT 'SELECT …'
"""

import sys

from syncline.client import SyncError
from syncline.replica import Replica, ReplicaError

try:
    with Replica.open("device.db", sys.argv[1]) as replica:
        report = replica.sync()
        print(f"{report.total.received} items came, the copy stands at revision {report.checkpoint_revision}")
        for row in replica.query(sys.argv[2]):
            print(*row)
except (ReplicaError, SyncError) as error:
    sys.exit(f"device_file: {error}")
