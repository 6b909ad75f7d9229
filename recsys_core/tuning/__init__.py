"""Tuning a release under a safeguarded metric: search space, measurements, score, optimiser and studies."""
