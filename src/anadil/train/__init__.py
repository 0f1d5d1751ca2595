"""Training: one loop, its data order, its checkpoints, and the two stages that use it."""
