"""From words to an Intent, by rules built from the catalogue's own fields and values."""
