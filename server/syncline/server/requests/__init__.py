"""Sync requests: the service, and the workers that run them."""
