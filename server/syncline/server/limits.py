"""Limits of the server that are not settings. Those of requests stand in the comments of the `.proto` files, too."""

from __future__ import annotations

from syncline.data.limits import KEY_LENGTH_MAX, OBJECT_TYPE_NAME_LENGTH_MAX, SCOPE_NAME_LENGTH_MAX

PAGE_SIZE_DEFAULT = 1_000
PAGE_SIZE_MAX = 5_000

PAGE_BYTES_MAX = 2 * 1024 * 1024
"""A page is cut once its frames hold this much, so that it stays below the 4 MiB that gRPC clients take unasked.
A page holds at least one item, whatever its size."""

PAGE_SEGMENTS_MAX = 400
"""Each segment adds an interval to the page's acknowledgement key, whose length is limited."""

PAGE_REDELIVERED_MAX = 500
"""Each redelivered item adds to the page's acknowledgement key, too."""

SCOPES_MAX = 100
FILTERS_MAX = 100
FILTER_BUCKETS_MAX = 1_000
POSITIONS_MAX = 10_000
REJECTIONS_MAX = 1_000
ACK_KEYS_MAX = 5_000

ACK_KEY_CHARS_MAX = 16_384
SCOPE_CHARS_MAX = SCOPE_NAME_LENGTH_MAX
BUCKET_CHARS_MAX = 200
OBJECT_TYPE_CHARS_MAX = OBJECT_TYPE_NAME_LENGTH_MAX
RECORD_KEY_CHARS_MAX = KEY_LENGTH_MAX
SESSION_ID_CHARS_MAX = 100
CLIENT_INFO_CHARS_MAX = 100

REASON_CHARS_MAX = 500
"""A longer reason of a rejection is cut, not refused: it is for people."""

VIOLATIONS_MAX = 20
"""How many broken rules an answer names at most."""

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""The largest message that the server takes or sends."""

CHANGES_MAX = 1_000
UPLOAD_BYTES_MAX = 8 * 1024 * 1024
EDITS_MAX = 500
TRANSACTION_ID_BYTES_MAX = 16

ANSWERS_BYTES_MAX = MESSAGE_BYTES_MAX - 64 * 1024
"""What the answers to one message of changes may take. One answer takes at most 4 MB."""

CONFLICTS_PAGE_DEFAULT = 100
CONFLICTS_PAGE_MAX = 500
CONFLICTS_READ_MAX = 50
"""How many conflicts are read at a time: each holds three versions of a record, perhaps."""

RANGES_MAX = 100
RANGE_ENTRIES_MAX = 10_000
RECONCILE_KEYS_MAX = 1_000
RECONCILE_ENTRY_BYTES_MAX = 2 * 1024 * 1024
"""What the entries of an answer of Reconcile take, about. Each range that differs has at least one."""
RECONCILE_BYTES_MAX = 3 * 1024 * 1024
"""When an answer of Reconcile takes no further record. It holds at least one of those that were asked for."""

RECONCILE_READ_MAX = 50
"""How many records are read at a time: each may be as large as a third of an answer."""

FETCH_ATTEMPTS_MAX = 64
"""How often a FetchQueue call tries for a page that other calls take first."""

KNOWN_DEVICES_MAX = 100_000
"""How many devices the server remembers as registered."""

ROWS_MAX = 5_000
"""Rows of one CreateBatchImport or WriteSyncRequestRows: what a store takes in one transaction."""
SOURCE_KEY_CHARS_MAX = KEY_LENGTH_MAX
BATCHES_MAX = 10_000
CURSOR_CHARS_MAX = 64 * 1024
"""A connector's cursor is stored anew with each batch of rows."""
REQUESTS_PAGE_DEFAULT = 250
REQUESTS_PAGE_MAX = 500
REQUESTS_BYTES_MAX = 3 * 1024 * 1024
"""A page of sync requests is cut before it takes more: the details of a parent name each of its batches. It has at
least one, which takes far less."""
DETAILS_PAGE_DEFAULT = 250
DETAILS_PAGE_MAX = 500
WORKER_CHARS_MAX = 100
LEASE_SECONDS_DEFAULT = 60
LEASE_SECONDS_MIN = 5
"""A shorter lease would end while a batch of rows is being written."""
LEASE_SECONDS_MAX = 3_600
"""For so long at most a request of a worker that died stays undone."""
LEASE_TOKEN_CHARS_MAX = 2_000

ENROLLMENT_NAME_CHARS_MAX = 100
CONNECTOR_CHARS_MAX = 100
SETTINGS_CHARS_MAX = 64 * 1024
CRON_CHARS_MAX = 200
TIME_ZONE_CHARS_MAX = 100
JITTER_SECONDS_MAX = 3_600
DISCOVERIES_MAX = 4
"""Looks at connected systems that run at a time; each has a thread."""
DISCOVER_SECONDS_MAX = 60.0
SECRETS_MAX = 50
SECRET_NAME_CHARS_MAX = 100
SECRET_CHARS_MAX = 16 * 1024
"""A private key or a service account's file fits."""

# Devices and the audit log
DEVICES_PAGE_MAX = 500
AUDIT_PAGE_MAX = 500
ACTION_CHARS_MAX = 100
