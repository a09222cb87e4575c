"""What a payload of a sync request is, as the store keeps it: a text such as `zip`, `zip:skip` or `records:infer`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from syncline.storage.request_models import OnMatch

_INFER: Final = "infer"


class PayloadForm(Enum):
    """How the rows are packed."""

    RECORDS = "records"
    """As `records_payload` packs them. Each says for itself what happens if its record is there."""
    ZIP = "zip"
    """Files of rows."""


@dataclass(frozen=True, slots=True)
class PayloadKind:
    """What a payload is."""

    form: PayloadForm
    on_match: OnMatch = OnMatch.UPDATE
    """Of a zip: what happens to rows whose record is there."""
    infers: bool = False
    """What the schema lacks is inferred from the rows."""

    @property
    def text(self) -> str:
        """As the store keeps it."""
        words = [self.form.value]
        if self.on_match is not OnMatch.UPDATE:
            words.append(self.on_match.value)
        if self.infers:
            words.append(_INFER)
        return ":".join(words)


def payload_kind(text: str) -> PayloadKind | None:
    """The kind of this text; None: it is none that is known here."""
    return _KINDS.get(text)


_KINDS: Final = {
    kind.text: kind
    for kind in (
        *(PayloadKind(PayloadForm.ZIP, on_match, infers) for on_match in OnMatch for infers in (False, True)),
        *(PayloadKind(PayloadForm.RECORDS, infers=infers) for infers in (False, True)),
    )
}
