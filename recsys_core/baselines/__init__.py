"""Plain recommenders that every generator must be measured against."""
