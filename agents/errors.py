"""What can go wrong before a turn starts; each carries a code that an API can turn into a status."""

from __future__ import annotations

from typing import ClassVar

from recsys_core.errors import SidraError


class ConversationError(SidraError):
    """Base of the errors of a conversation."""

    code: ClassVar[str] = "conversation_error"
    """Short name for machines."""


class MessageRejected(ConversationError):
    """The message can't be answered: empty, too long, or nothing but control characters."""

    code = "message_rejected"


class ThreadNotFound(ConversationError):
    """No such thread, or it belongs to another user; the two are not told apart on purpose."""

    code = "thread_not_found"

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"there is no conversation {thread_id[:40]!r}; leave thread_id out to start a new one")


class ThreadBusy(ConversationError):
    """Another turn of the same thread is still running."""

    code = "thread_busy"

    def __init__(self, thread_id: str, waited: float) -> None:
        super().__init__(
            f"conversation {thread_id!r} is still answering another message (waited {waited:.0f} s); send again later"
        )


class FactNotFound(ConversationError):
    """No such fact is kept of this user; another user's is not told apart on purpose."""

    code = "fact_not_found"

    def __init__(self, fact_id: str) -> None:
        super().__init__(f"nothing is remembered of this user under {fact_id[:40]!r}")


class LineNotFound(ConversationError):
    """The profile of this user has no such line (any more)."""

    code = "line_not_found"

    def __init__(self, line_id: str) -> None:
        super().__init__(f"the profile has no line {line_id[:40]!r}; it may have been written anew, so read it again")


class MemoryFull(ConversationError):
    """As many facts as may be kept of one user are kept."""

    code = "memory_full"

    def __init__(self, most: int) -> None:
        super().__init__(f"I remember {most} things of one person at most; delete one that no longer matters first")


class NotUnderstood(ConversationError):
    """Words that should say something lasting of a person and don't."""

    code = "not_understood"


class GuardFailed(ConversationError):
    """The check of a message itself failed; nothing was done with the message."""

    code = "guard_failed"

    def __init__(self) -> None:
        super().__init__("the message could not be checked, so it was not answered; try again or put it another way")
