"""The revisions of the database's schema, in order. Run by `syncline.storage.sql.migrating`."""
