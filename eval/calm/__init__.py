"""Does calming calm, and does it keep the facts? After MALLET's protocol (arXiv 2602.23123)."""
