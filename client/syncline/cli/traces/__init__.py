"""Traces without a collector: reads the file that `SYNCLINE_TRACE_FILE` names, follows links, draws."""
