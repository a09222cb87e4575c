"""What the server tells of itself: traces and metrics."""
