"""Setting up OpenTelemetry's SDK in a process: what servers, workers and command lines share. Libraries never do it."""
