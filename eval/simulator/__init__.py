"""People who know what they want and can't name it: a simulator of conversations with a hidden target.

After iEvaLM (arXiv 2305.13112), with rules instead of a language model in the person's part, so that a run costs
nothing and can be repeated to the word.
"""
