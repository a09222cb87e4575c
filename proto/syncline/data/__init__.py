"""The rules that both ends share: canonical data, record keys, field types, schemas. Standard library only."""
