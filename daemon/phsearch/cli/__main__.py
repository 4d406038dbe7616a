"""`python -m phsearch.cli` is `phsearch-client`."""

from phsearch.cli import main

main()
