"""What the nodes of the graph may reach during one turn."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.allowed import access_of
from agents.config import ConversationConfig
from agents.llm.protocol import ChatModel, TurnBudget
from agents.profile.service import ProfileService
from agents.store import FactStore, FeedbackStore
from agents.tracing import traced_model, traced_recommender
from agents.understanding.rules import RuleUnderstanding
from recsys_core.catalog.catalogue import Catalogue
from tools import ToolContext
from tools.access import ToolMeter
from tools.context import Recommends
from tools.titles import TitleIndex


@dataclass
class AgentContext:
    """The runtime context of one turn; never checkpointed."""

    recommender: Recommends
    """The release that answers."""
    llm: ChatModel
    """The language model; `none` is one too."""
    feedback: FeedbackStore
    """Thumbs and seen items."""
    facts: FactStore
    """What users said of themselves for good."""
    profiles: ProfileService
    """Profiles of users."""
    understanding: RuleUnderstanding
    """Rules for this catalogue."""
    titles: TitleIndex
    """Titles of this catalogue."""
    config: ConversationConfig = field(default_factory=ConversationConfig)
    """Limits."""
    budget: TurnBudget = field(default_factory=TurnBudget)
    """What the turn may still spend on the language model."""
    release: str = ""
    """Id of the release."""
    changes: int = 0
    """Number of the last change of the catalogue that this turn knows."""
    thread_id: str = ""
    """Thread of the turn."""
    _profiles: dict[str, tuple[str, str]] = field(default_factory=dict, init=False, repr=False)
    meter: ToolMeter = field(init=False)
    """Tool calls of the turn."""

    def __post_init__(self) -> None:
        self.meter = ToolMeter(self.config.tool_calls)
        self.llm = traced_model(self.llm)

    def profile_of(self, user_id: str) -> tuple[str, str]:
        """The user's own words of themselves and their written profile, read once a turn."""
        if user_id not in self._profiles:
            thumbs = self.feedback.of(user_id)
            self._profiles[user_id] = self.profiles.words(user_id, self.recommender, thumbs)
        return self._profiles[user_id]

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.recommender.catalogue

    def tools(self, user_id: str) -> ToolContext:
        """The context of a tool call for this user, by the node that is at work."""
        access = access_of(self.meter)
        recommender = traced_recommender(self.recommender)
        return ToolContext(recommender, self.titles, user_id, self.feedback.of(user_id), access)
