"""Prompts as files: front-matter (name, version, variables) and a Jinja2 body in sections.

A body is split at lines `[[system]]`, `[[user]]`, `[[assistant]]` *before* it is rendered, each section becoming one
chat message; so no variable can open a section. Every string that goes into a prompt passes through `untrusted` first.
All sections but the last are the prompt's unchanging beginning, which a server may keep read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

import yaml
from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompts.untrusted import untrusted, untrusted_deep
from recsys_core.errors import ConfigError

__all__ = ["Prompt", "PromptMessage", "load", "names", "prefix", "render", "render_messages", "untrusted"]

Role = Literal["system", "user", "assistant"]
_FOLDER = Path(__file__).parent
_SECTION = re.compile(r"^\[\[(system|user|assistant)\]\]\s*$", re.MULTILINE)


class PromptMessage(TypedDict):
    """One rendered section."""

    role: Role
    content: str


@dataclass(frozen=True)
class Prompt:
    """One prompt file.

    Attributes:
        name: file name without ending.
        version: goes up with every change of the body.
        variables: what `render` must be given, no more and no less.
        sections: (role, template source) in order.
        body: everything after the front-matter.
    """

    name: str
    version: int
    variables: frozenset[str]
    sections: tuple[tuple[Role, str], ...]
    body: str


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.filters["untrusted"] = untrusted
    return environment


_ENVIRONMENT = _environment()


def names() -> list[str]:
    """All prompts there are."""
    return sorted(path.stem for path in _FOLDER.glob("*.md"))


@cache
def load(name: str) -> Prompt:
    """Read and check a prompt file.

    Raises:
        ConfigError: no such prompt, or its front-matter and body disagree.
    """
    path = _FOLDER / f"{name}.md"
    if not path.is_file():
        raise ConfigError(f"there is no prompt {name!r}; there are: {', '.join(names())}")
    return parse(name, path.read_text(encoding="utf-8"))


def parse(name: str, source: str) -> Prompt:
    """A prompt from the text of its file; raises ConfigError like `load`."""
    parts = re.match(r"\A---\n(.*?)\n---\n(.*)\Z", source, re.DOTALL)
    if parts is None:
        raise ConfigError(f"prompt {name!r} has no front-matter between two lines ---")
    head, body = yaml.safe_load(parts[1]), parts[2]
    if not isinstance(head, dict) or set(head) != {"name", "version", "variables"} or head["name"] != name:
        raise ConfigError(f"prompt {name!r}: the front-matter must hold name ({name}), version and variables, no more")
    pieces = _SECTION.split(body)
    if pieces[0].strip() or len(pieces) < 3:
        raise ConfigError(f"prompt {name!r}: the body must start with a line [[system]] or [[user]]")
    sections = tuple((cast(Role, role), text.strip()) for role, text in zip(pieces[1::2], pieces[2::2], strict=True))
    declared = frozenset(head["variables"] or ())
    used: set[str] = set()
    for _, text in sections:
        try:
            used |= meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
        except TemplateError as error:
            raise ConfigError(f"prompt {name!r}: {error}") from error
    if used != declared:
        raise ConfigError(f"prompt {name!r}: declares {sorted(declared)} and uses {sorted(used)}")
    return Prompt(name, int(head["version"]), declared, sections, body)


def render_messages(name: str, **variables: Any) -> list[PromptMessage]:
    """The prompt as chat messages, ready for a ChatModel.

    Raises:
        ConfigError: a variable is missing or unknown.
    """
    prompt = load(name)
    if set(variables) != prompt.variables:
        missing, unknown = sorted(prompt.variables - set(variables)), sorted(set(variables) - prompt.variables)
        raise ConfigError(f"prompt {name!r}: missing variables {missing}, unknown variables {unknown}")
    return _render(prompt, prompt.sections, variables)


def render(name: str, **variables: Any) -> str:
    """The prompt as one text, sections parted by blank lines; for reading and for tests."""
    return "\n\n".join(message["content"] for message in render_messages(name, **variables))


def prefix(name: str, **variables: Any) -> list[PromptMessage]:
    """The unchanging beginning of a prompt: all sections but the last, for `ChatModel.warm`.

    Args:
        name: the prompt.
        variables: those the beginning uses; others are left out.

    Raises:
        ConfigError: a variable of the beginning is missing.
    """
    prompt = load(name)
    return _render(prompt, prompt.sections[:-1], variables)


def _render(prompt: Prompt, sections: tuple[tuple[Role, str], ...], variables: dict[str, Any]) -> list[PromptMessage]:
    safe = {key: untrusted_deep(value) for key, value in variables.items()}
    try:
        return [
            PromptMessage(role=role, content=_ENVIRONMENT.from_string(text).render(safe).strip())
            for role, text in sections
        ]
    except TemplateError as error:
        raise ConfigError(f"prompt {prompt.name!r}: {error}") from error
