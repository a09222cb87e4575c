"""How bytes get to the server: addresses that may be served on, TLS, and what gRPC is told about connections."""
