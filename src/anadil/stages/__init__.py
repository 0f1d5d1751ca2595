"""The road: `table` names the stages, `plan` says what would run, `run` runs it; one thin module per stage."""
