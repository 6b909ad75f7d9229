"""Kinds asked for in scripts that rules don't read otherwise: Arabic, Hebrew, Russian, Greek, Chinese, Japanese, Korean, Hindi.

Nothing but kinds and a few moods, and "no ..." before one: who writes in these scripts gets the kind asked for, and is told that the
rest was not read.
"""

# ruff: noqa: E501 - tables read better unbroken, and other alphabets are the point
from __future__ import annotations

import re
from typing import NamedTuple


class Script(NamedTuple):
    """Words of a language in its own script.

    Attributes:
        name: in English.
        letters: a character class that only this language's texts have here; tried first to last.
        kinds: stem -> English kind. A stem stands for every word that holds it.
        without: words that rule out what follows, or, in languages that put it last, what stands before.
        after: whether the ruling word stands after the kind.
    """

    name: str
    letters: str
    kinds: dict[str, str]
    without: tuple[str, ...]
    after: bool = False


def _kinds(table: str) -> dict[str, str]:
    return {own: english for entry in table.split(",") for own, _, english in [entry.strip().partition("=")]}


SCRIPTS: tuple[Script, ...] = (
    Script("Arabic", "\u0600-\u06ff", _kinds("كوميد=comedy, دراما=drama, درامي=drama, رعب=horror, أكشن=action, اكشن=action, رومانس=romance, خيال علمي=sci-fi, مغامر=adventure, جريمة=crime, إثارة=thriller, اثارة=thriller, وثائقي=documentary, كرتون=animation, رسوم متحركة=animation, غموض=mystery, موسيقي=musical, مضحك=funny, مخيف=scary, حزين=sad"),
           ("بدون", "بلا", "ليس", "لا أريد")),
    Script("Hebrew", "\u0590-\u05ff", _kinds("קומדי=comedy, דרמ=drama, אימה=horror, פעולה=action, אקשן=action, רומנטי=romance, מדע בדיוני=sci-fi, הרפתק=adventure, פשע=crime, מתח=thriller, דוקומנטרי=documentary, תיעודי=documentary, אנימציה=animation, מצויר=animation, מערבון=western, מחזמר=musical, מלחמה=war, מצחיק=funny, מפחיד=scary, עצוב=sad"),
           ("בלי", "ללא", "לא")),
    Script("Russian", "\u0400-\u04ff", _kinds("комеди=comedy, драм=drama, ужас=horror, боевик=action, мелодрам=romance, романтич=romance, фантастик=sci-fi, приключен=adventure, криминал=crime, триллер=thriller, документальн=documentary, мультфильм=animation, мультик=animation, детектив=mystery, вестерн=western, мюзикл=musical, военн=war, фэнтези=fantasy, смешн=funny, страшн=scary, грустн=sad"),
           ("без", "не")),
    Script("Greek", "\u0370-\u03ff", _kinds("κωμωδί=comedy, δράμα=drama, τρόμου=horror, δράσης=action, ρομαντικ=romance, επιστημονική φαντασία=sci-fi, επιστημονικής φαντασίας=sci-fi, περιπέτει=adventure, θρίλερ=thriller, ντοκιμαντέρ=documentary, κινούμενα σχέδια=animation, γουέστερν=western, μιούζικαλ=musical, πολεμικ=war, μυστηρίου=mystery, αστεί=funny, τρομακτικ=scary"),
           ("χωρίς", "όχι")),
    Script("Japanese", "\u3040-\u30ff", _kinds("コメディ=comedy, 喜劇=comedy, ドラマ=drama, ホラー=horror, アクション=action, 恋愛=romance, ロマンス=romance, アドベンチャー=adventure, 冒険=adventure, 犯罪=crime, スリラー=thriller, サスペンス=thriller, ドキュメンタリー=documentary, アニメ=animation, ミステリー=mystery, 西部劇=western, ミュージカル=musical, 戦争=war, ファンタジー=fantasy, SF=sci-fi, 笑える=funny, 怖い=scary, 泣ける=sad"),
           ("以外", "なし", "じゃない", "ではない"), after=True),
    Script("Korean", "\uac00-\ud7af", _kinds("코미디=comedy, 드라마=drama, 공포=horror, 호러=horror, 액션=action, 로맨스=romance, 로맨틱=romance, 공상과학=sci-fi, 모험=adventure, 어드벤처=adventure, 범죄=crime, 스릴러=thriller, 다큐=documentary, 애니메이션=animation, 만화=animation, 미스터리=mystery, 서부극=western, 뮤지컬=musical, 전쟁=war, 판타지=fantasy, 웃긴=funny, 무서운=scary, 슬픈=sad"),
           ("말고", "빼고", "제외", "아닌"), after=True),
    Script("Chinese", "\u4e00-\u9fff", _kinds("喜剧=comedy, 喜劇=comedy, 剧情=drama, 劇情=drama, 恐怖=horror, 动作=action, 動作=action, 爱情=romance, 愛情=romance, 浪漫=romance, 科幻=sci-fi, 冒险=adventure, 冒險=adventure, 犯罪=crime, 惊悚=thriller, 驚悚=thriller, 纪录片=documentary, 紀錄片=documentary, 动画=animation, 動畫=animation, 悬疑=mystery, 懸疑=mystery, 西部片=western, 歌舞=musical, 音乐剧=musical, 战争=war, 戰爭=war, 奇幻=fantasy, 搞笑=funny, 可怕=scary, 感人=touching"),
           ("不要", "不是", "除了", "没有", "沒有", "别")),
    Script("Hindi", "\u0900-\u097f", _kinds("कॉमेडी=comedy, हास्य=comedy, ड्रामा=drama, नाटक=drama, हॉरर=horror, डरावनी=horror, एक्शन=action, रोमांटिक=romance, रोमांस=romance, विज्ञान कथा=sci-fi, साइंस फिक्शन=sci-fi, रोमांच=adventure, अपराध=crime, थ्रिलर=thriller, डॉक्यूमेंट्री=documentary, वृत्तचित्र=documentary, एनिमेशन=animation, रहस्य=mystery, युद्ध=war, मज़ेदार=funny"),
           ("नहीं", "बिना", "के अलावा"), after=True),
)  # fmt: skip
"""Japanese before Chinese: its texts hold Chinese characters too."""

_NEAR = 12
"""A word that rules out does so for a kind at most so many characters away."""


def kinds_in_english(message: str) -> tuple[str, str]:
    """The kinds that a message in another script names, in English words, and the language's name.

    Args:
        message: as written.

    Returns:
        `("comedy, no horror", "Arabic")`; the message and `""` when no kind is found or Latin words say the rest.
    """
    script = next((s for s in SCRIPTS if re.search(f"[{s.letters}]", message)), None)
    if script is None or len(re.findall(r"[A-Za-z]{3,}", message)) > 1:
        return message, ""
    # letter by letter, so that places stay those of the message
    folded = "".join(c.casefold() if len(c.casefold()) == 1 else c for c in message)
    said: list[tuple[int, int, str]] = []
    for own, english in sorted(script.kinds.items(), key=lambda pair: -len(pair[0])):
        for match in re.finditer(rf"(?<![a-z]){re.escape(own.casefold())}", folded):
            if not any(begin < match.end() and match.start() < end for begin, end, _ in said):
                said.append((*match.span(), english))
    if not said:
        return message, ""
    parts: list[str] = []
    ordered = sorted(said)
    for n, (begin, end, english) in enumerate(ordered):
        before = ordered[n - 1][1] if n else 0
        after = ordered[n + 1][0] if n + 1 < len(ordered) else len(message)
        near = message[end : min(after, end + _NEAR)] if script.after else message[max(before, begin - _NEAR) : begin]
        parts.append(f"no {english}" if any(_holds(near, word) for word in script.without) else english)
    years = re.findall(r"(?<!\d)(\d{4})(?!\d)(?P<decade>s|年代|년대|-?х|-?е)?", message)
    when = "".join(f" from the {year}s" if decade else f" from {year}" for year, decade in years)
    return ", ".join(dict.fromkeys(parts)) + (when if len(years) == 1 else ""), script.name


def _holds(text: str, word: str) -> bool:
    """Whether a word stands in a text; in scripts with spaces as a whole word."""
    spaced = re.match(r"[\u0370-\u06ff\u0900-\u097f]", word) is not None
    return (
        re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)" if spaced else re.escape(word), text.casefold())
        is not None
    )
