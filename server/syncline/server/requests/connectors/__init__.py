"""Connectors: the code that talks to connected systems."""
