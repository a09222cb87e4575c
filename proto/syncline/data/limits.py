"""How large things may be. Lengths are in characters (code points) unless the name says bytes."""

from __future__ import annotations

from typing import Final

RECORD_BYTES_MAX: Final = 1_000_000
"""One record: its data as it arrives and in canonical form."""
DEPTH_MAX: Final = 64
"""How deep objects and arrays may nest; the record itself is the first level."""
KEY_LENGTH_MAX: Final = 1_024
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

OBJECT_TYPE_NAME_LENGTH_MAX: Final = 60
FIELD_NAME_LENGTH_MAX: Final = 100
RELATIONSHIP_NAME_LENGTH_MAX: Final = 100
SCOPE_NAME_LENGTH_MAX: Final = 100
RESOLVER_NAME_LENGTH_MAX: Final = 100

OBJECT_TYPES_MAX: Final = 500
FIELDS_MAX: Final = 500
KEY_FIELDS_MAX: Final = 16
RELATIONSHIPS_MAX: Final = 50
