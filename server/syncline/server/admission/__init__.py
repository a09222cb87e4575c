"""How much a caller may use, and who comes first when there is not enough for all."""
