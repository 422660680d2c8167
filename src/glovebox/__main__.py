"""`python -m glovebox` is the command line."""

from glovebox.cli.main import main

main()
