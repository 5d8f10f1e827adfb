"""What the `fomm` command can do: one module per subcommand, each with `add_parser` and `run`."""
