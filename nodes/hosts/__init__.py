"""One adapter per program that runs the blocks."""
