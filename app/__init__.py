"""The doors: HTTP API, chat page and command line."""
