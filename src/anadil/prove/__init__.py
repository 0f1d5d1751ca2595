"""`anadil prove`: is a new vocabulary worth it, with this base and this text? Measured, row by row, in an hour."""
