"""Trains the leaf model that ships with phytomer."""
