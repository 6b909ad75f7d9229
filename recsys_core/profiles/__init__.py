"""What a history says about its user: facts worked out in code, and a short profile written from them by rules."""

from recsys_core.profiles.averages import Averages
from recsys_core.profiles.facts import HistoryFacts, history_facts
from recsys_core.profiles.past import Past
from recsys_core.profiles.rule import rule_profile
from recsys_core.profiles.text import MAX_TOKENS, count_tokens, fitted, split_lines

__all__ = [
    "MAX_TOKENS",
    "Averages",
    "HistoryFacts",
    "Past",
    "count_tokens",
    "fitted",
    "history_facts",
    "rule_profile",
    "split_lines",
]
