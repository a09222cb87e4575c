"""SchemaService: what an account's records are made of."""
