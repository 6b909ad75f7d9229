"""A small policy that writes profiles, and how it is trained by the reward of :mod:`recsys_core.rewards`."""
