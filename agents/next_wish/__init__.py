"""What somebody will ask for next, as suggestions; when to think about it again; and what to tell a language model."""
