"""Central statements of papers, tested again at a size that this project can run."""
