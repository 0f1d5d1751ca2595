"""`python -m anadil.cli`: the same as `anadil`."""

from anadil.cli import main

main()
