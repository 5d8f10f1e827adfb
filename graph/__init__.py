"""Saved graphs: their shape, how they are read and converted, what is wrong with them. Knows no host, runs nothing."""
