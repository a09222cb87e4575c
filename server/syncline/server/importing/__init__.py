"""Importing files: sources of rows, what their values mean, and how they get into a store."""
