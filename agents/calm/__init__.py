"""Calming what people read: neutral wording that keeps every fact, and one sentence of background."""
