"""Blind pairwise review: people say which of two answers is better, without knowing whose they are."""
