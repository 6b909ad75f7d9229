"""The HTML of texts: excerpt, stimulus meter, original, and what changed word by word. All of it is escaped."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from app.ui.reading_state import NAMES
from app.visible import visible

_EXCERPT = 220
_MOST_WORDS = 4_000
"""Longer sentences are compared as a whole; word by word it would take too long."""
_WORDS = re.compile(r"\s+|[^\s]+")

CSS = """
<style>
.sidra-read {font-size:.86rem; line-height:1.5; margin-top:.45rem; overflow-wrap:anywhere;}
.sidra-read .background::before, .sidra-long .background::before {content:"Background"; display:block;
  font-size:.72rem; opacity:.7;}
.sidra-read .background {border-left:2px solid #b9cfe0; padding-left:.55rem; margin-top:.35rem; opacity:.85;}
.sidra-read details {margin-top:.35rem; font-size:.8rem;}
.sidra-read summary {cursor:pointer; opacity:.7;}
.sidra-read .was {margin-top:.25rem; padding:.4rem .55rem; background:#f4efe4; border-radius:.5rem; max-height:14rem;
  overflow:auto;}
.sidra-meter {display:flex; flex-wrap:wrap; align-items:center; gap:.1rem .45rem; font-size:.76rem;
  margin-top:.45rem;}
.sidra-meter .bar {position:relative; flex:1 1 6rem; max-width:11rem; height:.42rem; border-radius:.3rem;
  overflow:hidden; background:#e6e1d5;}
.sidra-meter .bar i {position:absolute; left:0; top:0; bottom:0; border-radius:.3rem;}
.sidra-meter .bar u {position:absolute; top:0; bottom:0; width:2px; background:#1d2522; opacity:.55;}
.sidra-meter .says {opacity:.75; white-space:nowrap;}
.sidra-long {font-size:1rem; line-height:1.65; white-space:pre-wrap; overflow-wrap:anywhere;}
.sidra-long h3 {font-family:"Source Serif",Georgia,serif; font-size:1.35rem; line-height:1.3; margin:0 0 .6rem 0;
  padding:0; white-space:normal;}
.sidra-long .background {border-left:3px solid #b9cfe0; padding-left:.8rem; margin-top:.9rem;}
.sidra-diff {line-height:1.65; overflow-wrap:anywhere;}
.sidra-diff p {margin:0 0 .55rem 0;}
.sidra-diff del {background:#f6dcd3; color:#7a2e17; text-decoration:line-through; border-radius:.2rem;}
.sidra-diff ins {background:#d9ecdf; color:#134b38; text-decoration:none; border-radius:.2rem;}
.sidra-diff small {display:block; opacity:.6;}
.sidra-page h1 {font-family:"Source Serif",Georgia,serif; font-size:2rem; font-weight:600; margin:0; padding:0;}
.sidra-advice {background:#e8efe9; border-radius:.8rem; padding:.8rem 1rem; margin:.4rem 0 .8rem 0;}
.sidra-diff .same {opacity:.6;}
</style>
"""
_COLOURS = {"quiet": "#5a9c86", "lively": "#c7a54b", "loud": "#cf7f3f", "very loud": "#b8472f"}


def card_text(reading: Mapping[str, Any]) -> str:
    """What stands below a card: excerpt where texts are news-like, meter, and the original one click away."""
    parts = ['<div class="sidra-read">']
    text, shown = str(reading["text"]), str(reading["shown_text"])
    if shown and (reading["headline"] or shown != text):
        parts.append(f'<div dir="auto">{_plain(_shortened(shown))}</div>')
    if reading["background"]:
        parts.append(f'<div class="background" dir="auto">{_plain(str(reading["background"]))}</div>')
    parts.append(meter(reading))
    if reading["mode"] != "raw":
        was = f"<b>{_plain(str(reading['title']))}</b><br>{_plain(text)}"
        parts.append(f'<details><summary>Original</summary><div class="was" dir="auto">{was}</div></details>')
    parts.append("</div>")
    return "".join(parts)


def meter(reading: Mapping[str, Any]) -> str:
    """The stimulus of what is shown, with a mark where the original stands."""
    before, after = float(reading["stimulus"]), float(reading["stimulus_shown"])
    level = str(reading["level_shown"])
    mark = f'<u style="left:{min(before, 0.985):.1%}"></u>' if reading["mode"] != "raw" else ""
    says = f"{level} · {after:.2f}"
    if reading["mode"] != "raw":
        says += f", original {before:.2f}"
    return (
        f'<div class="sidra-meter" title="Stimulus: pull at anger, fear or surprise, 0 to 1"><span class="bar">'
        f'<i style="width:{min(1.0, after):.1%};background:{_COLOURS.get(level, "#555b63")}"></i>{mark}</span>'
        f'<span class="says">{escape(says)}</span></div>'
    )


def whole(title: str, text: str, background: str = "") -> str:
    """A title with its whole text."""
    body = _plain(text) or "<i>The catalogue holds no text of this item, only its title.</i>"
    more = f'<div class="background">{_plain(background)}</div>' if background else ""
    return f'<div class="sidra-long" dir="auto"><h3>{_plain(title)}</h3>{body}{more}</div>'


def changes(reading: Mapping[str, Any]) -> str:
    """Sentence by sentence what was changed and why."""
    lines = []
    for sentence in reading["sentences"]:
        if not sentence["changed"]:
            lines.append(f'<p class="same" dir="auto">{_plain(str(sentence["before"]))}</p>')
            continue
        reason = f"<small>{_plain(str(sentence['reason']))}</small>" if sentence["reason"] else ""
        lines.append(f'<p dir="auto">{difference(str(sentence["before"]), str(sentence["after"]))}{reason}</p>')
    if reading["background"]:
        source = f" (from item {reading['background_item']})" if reading["background_item"] else ""
        lines.append(
            f"<p><ins>{_plain(str(reading['background']))}</ins><small>added as background{_plain(source)}</small></p>"
        )
    return f'<div class="sidra-diff">{"".join(lines)}</div>'


def difference(before: str, after: str) -> str:
    """One text against another: taken out struck through, put in marked."""
    old, new = _WORDS.findall(visible(before)), _WORDS.findall(visible(after))
    if len(old) + len(new) > _MOST_WORDS:
        return f"<del>{escape(visible(before))}</del> <ins>{escape(visible(after))}</ins>"
    out = []
    for kind, a, b, c, d in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind == "equal":
            out.append(escape("".join(old[a:b])))
            continue
        if a < b:
            out.append(f"<del>{escape(''.join(old[a:b]))}</del>")
        if c < d:
            out.append(f"<ins>{escape(''.join(new[c:d]))}</ins>")
    return "".join(out)


def says(reading: Mapping[str, Any]) -> str:
    """Who wrote what is shown, in a sentence."""
    by = {
        "llm": "Reworded by the language model, checked sentence by sentence.",
        "lexicon": "Reworded by rules with a word list.",
        "unchanged": "Nothing had to be changed." if not reading["marks"] else "Left as it is.",
    }
    mode = str(reading["mode"])
    if mode == "raw":
        return "RAW: as it was written."
    marks = " ".join(f"{mark[:1].upper()}{mark[1:].rstrip('.')}." for mark in map(str, reading["marks"]))
    return f"{NAMES[mode]}: {by.get(str(reading['method']), '')} {marks}".strip()


def _shortened(text: str) -> str:
    if len(text) <= _EXCERPT:
        return text
    return text[:_EXCERPT].rsplit(" ", 1)[0] + "\N{HORIZONTAL ELLIPSIS}"


def _plain(text: str) -> str:
    return escape(visible(text))
