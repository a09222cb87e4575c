"""A whole Syncline on one machine: Postgres, sync servers, sync-request servers and workers, under supervisor."""
