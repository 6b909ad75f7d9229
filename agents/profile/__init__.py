"""The profile of a user: written by a language model or by rules, corrected by the user, kept with its history."""
