"""Generates docs/cli.md from the parsers of `fomm`, and docs/python.md from the docstrings of the public names."""
