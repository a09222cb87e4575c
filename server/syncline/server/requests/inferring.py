"""Taking into the schema what a run is about to read, before it reads the first row."""

from __future__ import annotations

from syncline.data.schema import ObjectType, Schema
from syncline.server.requests.connectors.contract import Connector, ConnectorError, Job
from syncline.server.schema.apply_schema import widen_schema
from syncline.storage import Store
from syncline.storage.audit_models import Act


def infer_schema(store: Store, account_id: str, connector: Connector, job: Job, *, act: Act) -> Schema:
    """Let the connector look, and widen the schema by what it reads; the schema in force then.

    Raises:
        ConnectorError: it cannot be found out, or something that is to be read can be no object type.
        SchemaChanged: others change the schema all the time.
    """
    found: list[ObjectType] = []
    for stream in connector.discover(job):
        if stream.selected and stream.object_type is None:
            raise ConnectorError(f"no object type can be made of {stream.name}: {stream.note}", for_good=True)
        if stream.selected and stream.object_type is not None:
            found.append(stream.object_type)
    return widen_schema(store, account_id, found, act=act)
