"""Attacks on a conversation: poisoned catalogue texts, hostile users, a model that obeys every order it can read."""
