"""The `fomm` command: one module per subcommand, each with `add_parser` and `run`; the parser is in `main.py`."""
