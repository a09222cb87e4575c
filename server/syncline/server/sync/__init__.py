"""SyncService: what a device has to download, and what it acknowledges."""
