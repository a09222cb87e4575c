"""What all telemetry of this process says of the process."""

from __future__ import annotations

import os
from uuid import uuid4

from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource

_INSTANCE = str(uuid4())


def process_resource(service: str) -> Resource:
    """The process as a service of this name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    told = Resource.create({SERVICE_INSTANCE_ID: _INSTANCE})
    named = OTEL_SERVICE_NAME in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return told if named else told.merge(Resource({SERVICE_NAME: service}))
