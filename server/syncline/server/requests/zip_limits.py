"""How much an uploaded zip file may be.

What concerns single entries is limited as in `syncline.server.importing.limits`.
"""

from __future__ import annotations

from typing import Final

ZIP_BYTES_MAX: Final = 256 * 1024 * 1024
"""It is stored in one transaction. What is larger goes in several batches of one parent."""
CHUNK_BYTES_MAX: Final = 1024 * 1024
"""One message: far below what gRPC takes, so that a slow line makes progress that can be seen."""
STORED_CHUNK_BYTES: Final = 512 * 1024
"""A row of the database, half of what a store takes, whatever the size of the messages was."""
IDLE_SECONDS_MAX: Final = 60.0
"""Without another message for so long the upload ends: it holds one of the calls that the server takes, and disk."""

UNPACKED_BYTES_MAX: Final = 4 * 1024**3
"""All entries together: a worker reads them in minutes, not hours, and goes on where it stopped."""
DIRECTORY_BYTES_MAX: Final = 1024 * 1024
"""The zip's table of contents is read into memory; a thousand entries take a tenth of this."""
