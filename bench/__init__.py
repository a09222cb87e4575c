"""Benchmarks: each hot path, next to a limit that is measured in the same run. `make bench` runs them."""
