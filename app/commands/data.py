"""`sidra import` and `sidra build`."""

from __future__ import annotations


def register(cli):
    pass
