"""The tuner: a language model proposes beside the optimiser, a report says why, a person approves."""
