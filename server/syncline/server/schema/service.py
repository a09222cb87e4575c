"""SchemaService: convert, call, convert."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.data.schema_differences import SchemaDifference
from syncline.server.acts import act_of_caller
from syncline.server.convert_schema import schema_from_message, schema_message
from syncline.server.environment import Environment
from syncline.server.interceptors.context import CallContext
from syncline.server.schema.apply_schema import apply_schema, diff_schema
from syncline.v1 import schema_service_pb2, schema_service_pb2_grpc


class SchemaServicer(schema_service_pb2_grpc.SchemaServiceServicer):
    """Declares what the account's records are made of."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def ApplySchema(  # noqa: N802  the contract's name
        self, request: schema_service_pb2.ApplySchemaRequest, context: CallContext
    ) -> schema_service_pb2.ApplySchemaResponse:
        """See the contract."""
        del context
        env, wanted = self._env, schema_from_message(request.schema)
        act = act_of_caller("schema.apply", "schema")
        schema, found = await env.threads.run(apply_schema, env.store, env.account_id, wanted, act=act)
        return schema_service_pb2.ApplySchemaResponse(schema=schema_message(schema), differences=_messages(found))

    async def DiffSchema(  # noqa: N802  the contract's name
        self, request: schema_service_pb2.DiffSchemaRequest, context: CallContext
    ) -> schema_service_pb2.DiffSchemaResponse:
        """See the contract."""
        del context
        env, wanted = self._env, schema_from_message(request.schema)
        found = await env.threads.run(diff_schema, env.store, env.account_id, wanted)
        return schema_service_pb2.DiffSchemaResponse(differences=_messages(found))


def _messages(found: Iterable[SchemaDifference]) -> list[schema_service_pb2.SchemaDifference]:
    return [
        schema_service_pb2.SchemaDifference(path=one.path, description=one.description, allowed=one.allowed)
        for one in found
    ]
