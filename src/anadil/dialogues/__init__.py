"""Conversations: read in the formats that people have, checked, grounded, and made into rows to learn from."""
