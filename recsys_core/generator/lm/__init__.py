"""The ``lm`` generator family: a causal language model whose vocabulary holds words, codes and items.

It is trained with factored rows and saved as a stock model in transformers layout, so that vLLM and
``AutoModelForCausalLM`` open it without code of ours. Nothing is imported here: all modules but the settings need torch
and transformers.
"""
