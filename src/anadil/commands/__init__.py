"""What the command line calls: one file per group of commands."""
