"""Measurements of what is delivered, each with its uncertainty, and the gates over them."""
