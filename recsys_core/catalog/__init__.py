"""Items, interactions, rules over them, and how data comes in."""
