"""Benches: how fast, how large and how valid; bounded in count and time."""
