"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from anadil.cli import road, tools, verify  # their commands join the root
from anadil.cli.base import main, root

__all__ = ["main", "road", "root", "tools", "verify"]
