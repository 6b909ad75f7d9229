"""Turning several scores into one list."""
