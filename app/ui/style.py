"""The page's look: one style sheet, and the HTML of what Streamlit has no element for.

Every text that goes into HTML passes `html.escape`; titles, reasons and answers are never markup.
"""

from __future__ import annotations

import hashlib
import re
from html import escape

from app.visible import visible

# Two ends of a gradient; calm enough for white letters on all of them.
_PALETTE = [
    ("#1f6f5c", "#0f3d3a"),
    ("#7a4e2d", "#3d2418"),
    ("#3f5d8a", "#1d2b4a"),
    ("#8a3f52", "#43182a"),
    ("#5d6b2f", "#2b3315"),
    ("#6a4a86", "#2f1f45"),
    ("#a0632a", "#5a2d12"),
    ("#2f6f86", "#14323f"),
    ("#555b63", "#23272c"),
    ("#8a6d1f", "#45350c"),
]
_ARTICLES = {"the", "a", "an", "of", "and", "la", "le", "les", "el", "il", "der", "die", "das"}
_WORD = re.compile(r"\w+")

CSS = """
<style>
.block-container {max-width: 1180px; padding-top: 2.2rem; padding-bottom: 7rem;}
[data-testid="stSidebarHeader"] {height:1.6rem; min-height:0; padding-top:.6rem; padding-bottom:0;}
[data-testid="stChatMessage"] {background:transparent; padding-left:0; padding-right:0;}
[data-testid="stChatMessage"]:has(.sidra-mine) {background:#f1efe8; padding:.7rem 1rem;}
[class*="st-key-card-"] {padding-bottom:.5rem;}
[class*="st-key-thumb_"] button {padding:.15rem .55rem; min-height:2.1rem;}
[class*="st-key-next-"] {padding-left:3.2rem;}
[class*="st-key-next-"] .sidra-section, .st-key-wish .sidra-section {margin:0;}
.sidra-brand {display:flex; align-items:center; gap:.7rem; margin:-.4rem 0 .2rem 0;}
.sidra-mark {width:2.3rem; height:2.3rem; border-radius:.75rem; background:linear-gradient(140deg,#2c8a73,#0f3d3a);
  color:#fbfaf7; display:flex; align-items:center; justify-content:center; font-family:"Source Serif",Georgia,serif;
  font-size:1.35rem; font-weight:600;}
.sidra-name {font-family:"Source Serif",Georgia,serif; font-size:1.45rem; font-weight:600; line-height:1.1;}
.sidra-tag {font-size:.78rem; opacity:.65;}
.sidra-hero {padding:6.5rem 0 .9rem 0; text-align:center;}
.sidra-hero h1 {font-family:"Source Serif",Georgia,serif; font-weight:600; font-size:2.7rem; line-height:1.15;
  letter-spacing:-.01em; margin:0 0 .7rem 0; padding:0;}
.sidra-hero p {font-size:1.05rem; opacity:.7; max-width:36rem; margin:0 auto;}
.sidra-text {white-space:pre-wrap; line-height:1.6; font-size:1rem; overflow-wrap:anywhere; max-width:52rem;}
.sidra-caret::after {content:"▍"; color:#1f6f5c; animation:sidra-blink 1s steps(2) infinite;}
@keyframes sidra-blink {50% {opacity:0;}}
.sidra-poster {position:relative; height:7.2rem; border-radius:.7rem; overflow:hidden; color:#fff;
  display:flex; align-items:flex-end; padding:.65rem .75rem;}
.sidra-poster .initials {font-family:"Source Serif",Georgia,serif; font-size:2.5rem; line-height:1; font-weight:600;
  letter-spacing:.01em; text-shadow:0 1px 8px rgba(0,0,0,.25);}
.sidra-poster .slot {position:absolute; top:.55rem; left:.6rem; width:1.45rem; height:1.45rem; border-radius:50%;
  background:rgba(255,255,255,.92); color:#1d2522; font-size:.8rem; font-weight:700; display:flex; align-items:center;
  justify-content:center;}
.sidra-poster .when {position:absolute; top:.6rem; right:.7rem; font-size:.8rem; font-weight:600; opacity:.92;}
.sidra-poster::before {content:""; position:absolute; right:-2.2rem; bottom:-2.6rem; width:8rem; height:8rem;
  border-radius:50%; background:rgba(255,255,255,.09);}
.sidra-title {font-family:"Source Serif",Georgia,serif; font-weight:600; font-size:1.08rem; line-height:1.25;
  margin:.65rem 0 .35rem 0; overflow-wrap:anywhere;}
.sidra-chips {display:flex; flex-wrap:wrap; gap:.28rem; margin-bottom:.4rem;}
.sidra-chips span {font-size:.72rem; padding:.08rem .5rem; border-radius:1rem; background:#e8efe9; color:#1f5a4b;}
.sidra-facts {font-size:.8rem; line-height:1.45; opacity:.78; overflow-wrap:anywhere;}
.sidra-facts b {font-weight:600; opacity:.7; margin-right:.15rem;}
.sidra-facts summary {cursor:pointer; opacity:.75; margin-top:.15rem;}
.sidra-reason {font-size:.86rem; line-height:1.45; margin-top:.5rem; padding-left:.6rem; border-left:2px solid #cfe0d8;
  overflow-wrap:anywhere;}
.sidra-down {filter:grayscale(.9); opacity:.5;}
.sidra-note {font-size:.84rem; opacity:.75;}
.sidra-degraded {display:inline-block; font-size:.78rem; padding:.12rem .6rem; border-radius:1rem; background:#f7ecd3;
  color:#6b4c0b;}
.sidra-step {display:flex; gap:.8rem; font-size:.84rem; line-height:1.7;}
.sidra-step .node {width:7.5rem; font-weight:600;}
.sidra-step .ms {width:4.5rem; text-align:right; font-variant-numeric:tabular-nums; opacity:.7;}
.sidra-step .what {flex:1; opacity:.75; overflow-wrap:anywhere;}
.sidra-foot {font-size:.74rem; line-height:1.6; opacity:.6; overflow-wrap:anywhere;}
.sidra-section {font-size:.74rem; font-weight:600; letter-spacing:.07em; text-transform:uppercase; opacity:.55;
  margin:.4rem 0 -.4rem 0;}
</style>
"""


def brand() -> str:
    """Name and mark for the top of the side bar."""
    return (
        '<div class="sidra-brand"><div class="sidra-mark">S</div><div><div class="sidra-name">Sidra</div>'
        '<div class="sidra-tag">recommendation by conversation</div></div></div>'
    )


def hero(noun: str) -> str:
    """What an empty conversation shows."""
    return (
        '<div class="sidra-hero"><h1>What are you in the mood for?</h1>'
        f"<p>Say it in your own words. Sidra knows these {escape(noun)}, remembers what you tell it, and says why it "
        "picked each one.</p></div>"
    )


def text(content: str, *, running: bool = False, mine: bool = False) -> str:
    """An answer or a message; `dir=auto` lets right-to-left text run its own way."""
    more = (" sidra-caret" if running else "") + (" sidra-mine" if mine else "")
    return f'<div class="sidra-text{more}" dir="auto">{escape(visible(content))}</div>'


def note(content: str) -> str:
    """A quiet sentence."""
    return f'<div class="sidra-note" dir="auto">{escape(visible(content))}</div>'


def degraded(reason: str) -> str:
    """The mark of an answer that was finished without something it should have had."""
    return f'<span class="sidra-degraded">Not as usual · {escape(visible(reason))}</span>'


def section(name: str) -> str:
    """A small heading in the side bar."""
    return f'<div class="sidra-section">{escape(name)}</div>'


def step(node: str, ms: float | None, detail: str) -> str:
    """One agent's step with its time."""
    took = "…" if ms is None else f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"
    return (
        f'<div class="sidra-step"><span class="node">{escape(visible(node))}</span><span class="ms">{took}</span>'
        f'<span class="what" dir="auto">{escape(visible(detail))}</span></div>'
    )


def initials(title: str) -> str:
    """One or two letters that stand for a title."""
    words = [word for word in _WORD.findall(title) if not word.isdigit()] or _WORD.findall(title) or ["?"]
    strong = [word for word in words if word.lower() not in _ARTICLES] or words
    return "".join(word[0].upper() for word in strong[:2])


def colours(key: str) -> tuple[str, str]:
    """Two colours that stay the same for the same key."""
    return _PALETTE[hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=2).digest()[0] % len(_PALETTE)]
