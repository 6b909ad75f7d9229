"""TIGER: an encoder-decoder that generates semantic IDs token by token."""
