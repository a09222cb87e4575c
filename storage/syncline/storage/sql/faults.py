"""The one place where a driver's errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from syncline.storage.errors import InvalidValue, StoreUnavailable

_RETRYABLE_SQLSTATES = frozenset({"40001", "40P01"})
"""Postgres: serialization_failure, deadlock_detected."""
_REFUSED_CLASSES = ("22", "54")
"""Postgres: the value is none that it takes (data exceptions), or is too much for it, such as a key of more bytes than
its index holds. That does not pass, so it must not be taken for a database that is busy."""


def is_passing(fault: Exception) -> bool:
    """May the same transaction succeed when it is tried again at once? The fault is SQLAlchemy's or the driver's own.

    A lost connection counts: whoever asks knows that the commit was not reached yet.
    """
    cause = _cause(fault)
    if getattr(cause, "sqlstate", None) in _RETRYABLE_SQLSTATES:
        return True
    return getattr(fault, "connection_invalidated", False) or "database is locked" in str(cause)


def fault_name(fault: Exception) -> str:
    """The kind of fault, as the driver names it, such as `SerializationFailure`."""
    return type(_cause(fault)).__name__


@contextmanager
def our_errors(driver_error: type[Exception]) -> Iterator[None]:
    """Let nothing of the driver out.

    Args:
        driver_error: the base of the driver's own errors, for where SQLAlchemy is gone around.

    Raises:
        StoreUnavailable: the database did not do it.
        InvalidValue: a value that the database cannot keep.
    """
    try:
        yield
    except OverflowError as fault:
        raise InvalidValue("value", "must fit 64 bits") from fault
    except PoolTimeout as fault:
        raise StoreUnavailable("all connections to the database are in use") from fault
    except (DBAPIError, driver_error) as fault:
        cause = _cause(fault)
        sqlstate = getattr(cause, "sqlstate", None) or ""
        if sqlstate == "22003":  # numeric_value_out_of_range
            raise InvalidValue("value", "must fit 64 bits") from fault
        if sqlstate.startswith(_REFUSED_CLASSES):
            raise InvalidValue("value", _first_line(cause)) from fault
        raise StoreUnavailable(_first_line(cause)) from fault


def _cause(fault: Exception) -> BaseException | None:
    """What the driver raised."""
    return fault.orig if isinstance(fault, DBAPIError) else fault


def _first_line(fault: BaseException | None) -> str:
    """What went wrong, without the statement and its parameters."""
    return f"the database answered: {str(fault).strip().partition(chr(10))[0]}"
