"""SASRec: a causal transformer over item ids that scores the whole catalogue."""
