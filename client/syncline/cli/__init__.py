"""The command line of users: synchronises device files and reads them."""
