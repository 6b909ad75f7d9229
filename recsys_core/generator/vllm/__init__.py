"""The ``lm`` generator behind vLLM servers: what the servers load of ours, how they are started, and the client.

``rule``, ``served``, ``masking``, ``plugin_v1`` and ``plugin_v2`` run inside a server, in an environment of its own,
and import nothing but numpy, pydantic, polars and (the last three) what vLLM brings. Nothing is imported here.
"""
