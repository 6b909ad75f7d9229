"""Immutable releases: where they lie, what they hold, and how a build resumes."""
