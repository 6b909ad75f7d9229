"""Generators of items: families behind one protocol (:mod:`recsys_core.generator.family`), and what trains them."""
