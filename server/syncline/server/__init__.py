"""The server: the services, what stands behind them, and the command line of operators."""
