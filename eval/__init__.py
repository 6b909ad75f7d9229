"""Measurement: ranking quality offline, scripted conversations against the API, latency and validity benches."""
