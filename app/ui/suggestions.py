"""Suggestions: what this person may ask for next, as buttons that say it for them."""

from __future__ import annotations

from app.client import ClientError, SidraClient
from app.ui.session import Session


def suggestions(session: Session, client: SidraClient) -> list[str]:
    """Up to three requests; none when the API has none. Asked for again after a turn, a thumb, or while it thinks."""
    moment = f"{session.user}/{session.thread_id}/{len(session.messages)}/{sorted(session.votes.items())}"
    if session.suggested[0] == moment:
        return session.suggested[1]
    try:
        answer = client.next_wishes(session.user)
    except ClientError:
        # a page without suggestions is whole; what is wrong with the API shows where it is needed
        return []
    labels = [str(chip["text"]) for chip in answer["chips"]]
    session.suggested = ("" if answer["pending"] else moment, labels)
    return labels
