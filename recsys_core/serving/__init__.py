"""A release, opened and ready to answer."""
