"""The recommender itself: data, vectors, semantic IDs, constraints, generation, ranking.

Nothing in this package imports a language-model client, LangGraph or a web framework.
"""
