"""A connector to a web API: `GET URL?after=N` answers the next rows by change, `[{"change", "id", "data"}, …]`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from syncline.server.requests.connectors.contract import (
    ConnectorError,
    DiscoveredStream,
    Incoming,
    IncomingRow,
    Job,
    Outgoing,
)
from syncline.storage.request_models import Operation


class PagesConnector:
    """Reads one object type. `data` is null if the row is gone."""

    name = "pages"
    description = "A web API that answers pages of JSON."
    operations = frozenset({Operation.READ, Operation.CHECK})

    def check_settings(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Without the network."""
        missing = [name for name in ("url", "object_type") if name not in settings]
        missing += [] if "token" in secrets else ["the secret token"]
        if missing:
            raise ConnectorError(f"missing: {', '.join(missing)}", for_good=True)

    def read(self, job: Job) -> Iterator[Incoming]:
        """A full run begins without a cursor, a delta with that of the last run, a resumed one with its own."""
        after = json.loads(job.cursor)["after"] if job.cursor else 0
        while not job.stopped() and (page := self._page(job, after)):
            after = page[-1]["change"]
            yield Incoming(tuple(self._row(job, row) for row in page), json.dumps({"after": after}))
        yield Incoming((), json.dumps({"after": after}))

    def discover(self, job: Job) -> list[DiscoveredStream]:
        """One stream. What its rows are, the API does not tell: whoever wants its data declares the object type."""
        name = job.settings["object_type"]
        return [DiscoveredStream(name, None, selected=True, note="the API tells nothing of its fields")]

    def write(self, job: Job, records: Iterator[Outgoing]) -> Iterator[int]:  # noqa: ARG002
        """Not among the operations."""
        raise ConnectorError("the connector `pages` cannot write", for_good=True)

    def check(self, job: Job) -> str:
        """Whatever is wrong, `_page` raises it."""
        return f"the API answers, with {len(self._page(job, 0))} rows to begin with"

    def _row(self, job: Job, row: Mapping[str, Any]) -> IncomingRow:
        gone = row["data"] is None
        return IncomingRow(job.settings["object_type"], row["data"] or {}, str(row["id"]), deleted=gone)

    def _page(self, job: Job, after: int) -> list[dict[str, Any]]:
        headers = {"authorization": f"Bearer {job.secrets['token']}"}
        request = Request(f"{job.settings['url']}?after={after}", headers=headers)  # noqa: S310 - the operator's URL
        try:
            with urlopen(request, timeout=10) as response:  # noqa: S310
                page: list[dict[str, Any]] = json.load(response)
                return page
        except HTTPError as fault:
            fault.close()
            raise ConnectorError(f"the API answered {fault.code}", for_good=fault.code in (401, 403, 404)) from None
        except OSError as fault:
            raise ConnectorError(f"the API is out of reach: {fault}", for_good=False) from None


connector = PagesConnector()
