"""May this caller ask for this user, and may they ask now? Every route that names a user passes here."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Request

from app.failures import ApiError
from app.keys import OPEN, Principal
from app.limits import RateLimit


class Access:
    """What one request may do.

    Args:
        principal: who is asking.
        limit: how often a user may be asked for.
    """

    def __init__(self, principal: Principal, limit: RateLimit) -> None:
        self.principal = principal
        self._limit = limit

    def user(self, user_id: str) -> str:
        """The user, when the caller may ask for them and not too often.

        Raises:
            ApiError: 403 when the key is bound to others, whether or not that user exists; 429 when it is too often.
        """
        if not self.principal.may(user_id):
            raise ApiError(403, "forbidden", "this API key is bound to other users", "user")
        wait = self._limit.take(f"user:{user_id}")
        if wait:
            raise too_often(wait, "for this user")
        return user_id

    def guest(self) -> str:
        """A name for somebody who gave none.

        Raises:
            ApiError: 422 when the key is bound to several named users, so that one must be named.
        """
        bound = self.principal
        if bound.any_user:
            return f"guest-{secrets.token_hex(8)}"
        if bound.prefix:
            return f"{bound.prefix}guest-{secrets.token_hex(8)}"
        if len(bound.users) == 1:
            return self.user(next(iter(bound.users)))
        raise ApiError(422, "invalid_request", "user: say which of this key's users is talking", "user")

    def catalogue(self) -> None:
        """Nothing, when the caller may change the catalogue.

        Raises:
            ApiError: 403 for a key that is bound to users.
        """
        if not self.principal.any_user:
            raise ApiError(403, "forbidden", "a key that is bound to users can't change the catalogue")


def too_often(wait_s: int, whom: str) -> ApiError:
    """429, with the seconds to wait."""
    message = f"too many requests {whom} (setting SIDRA_RATE_PER_MINUTE); try again in {wait_s} s"
    return ApiError(429, "rate_limited", message, headers={"Retry-After": str(wait_s)})


def get_access(request: Request) -> Access:
    """What the request at hand may do."""
    principal: Principal = getattr(request.state, "principal", OPEN)
    return Access(principal, request.app.state.user_limit)


AccessDep = Annotated[Access, Depends(get_access)]
