"""From settings to the one ChatModel of a process."""

from __future__ import annotations

from agents.llm.none import NoChatModel
from agents.llm.protocol import ChatModel
from agents.llm.settings import LLMSettings
from recsys_core.errors import ConfigError


def make_chat_model(settings: LLMSettings) -> ChatModel:
    """The model that `settings.endpoint` names, not yet started.

    Raises:
        ConfigError: a setting that the endpoint needs is missing, or kept replies can't be opened.
    """
    model = _endpoint(settings)
    if settings.replies is None or settings.endpoint == "none":
        return model
    from agents.llm.cached import CachedChatModel

    return CachedChatModel(model, settings.replies, draw=f"temperature {settings.temperature:g}")


def _endpoint(settings: LLMSettings) -> ChatModel:
    if settings.endpoint == "none":
        return NoChatModel()
    if settings.endpoint == "scripted":
        from agents.llm.scripted import ScriptedChatModel

        if settings.script is None:
            raise ConfigError("SIDRA_LLM=scripted needs SIDRA_LLM_SCRIPT, the YAML or JSON file of answers")
        return ScriptedChatModel.from_file(settings.script)
    if settings.endpoint == "openai":
        from agents.llm.openai_endpoint import OpenAIChatModel

        if not settings.model:
            raise ConfigError(
                "SIDRA_LLM=openai needs SIDRA_LLM_MODEL, the model name the server at SIDRA_LLM_BASE_URL knows"
            )
        return OpenAIChatModel(settings)
    from agents.llm.embedded import EmbeddedChatModel

    return EmbeddedChatModel(settings)
