"""The commands of `syncline-server`. Each module registers its own."""
