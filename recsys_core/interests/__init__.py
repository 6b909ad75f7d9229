"""What somebody is interested in, as tags of the catalogue: measured, compared over time, and predicted."""
