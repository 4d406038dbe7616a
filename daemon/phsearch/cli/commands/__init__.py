"""One module for each group of commands; `cli.COMMANDS` says which."""
