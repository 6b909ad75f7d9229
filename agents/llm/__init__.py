"""How agents reach a language model: one protocol, four kinds of endpoint, one budget a turn."""
