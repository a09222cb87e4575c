"""DiagnosticsService: why something is as it is, for people who operate the system."""
