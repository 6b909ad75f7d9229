"""The nodes of the graph, one module each; a node reads the state and returns what changes."""
