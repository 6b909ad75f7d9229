"""Understanding without a language model: one message in its scene becomes an Intent."""

from __future__ import annotations

import re

from agents.intent import Act, Intent, OfferKind
from agents.understanding import acts
from agents.understanding.comparing import read_comparison
from agents.understanding.languages import in_english
from agents.understanding.lasting import read_lasting
from agents.understanding.mixed import combined, split_question
from agents.understanding.names import HATED, LIKE, LOVED, TitleReader
from agents.understanding.negation import is_negative, negative_spans
from agents.understanding.numbers import read_numbers
from agents.understanding.other_scripts import kinds_in_english
from agents.understanding.people import PeopleReader
from agents.understanding.references import Pointed, read_pointers
from agents.understanding.relative import read_relative
from agents.understanding.relaxing import read_relaxed
from agents.understanding.replies import read_reply
from agents.understanding.roles import Roles
from agents.understanding.scene import Scene
from agents.understanding.spelled import spelled_out
from agents.understanding.text import Span, Utterance
from agents.understanding.topics import field_words, only_narrows, task_of, topic_words
from agents.understanding.vocabulary import Vocabulary, wishes
from agents.understanding.wish_words import WishWords, content
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.generator.protocol import Task
from tools.titles import TitleIndex, plain

_COMPARATIVE = re.compile(
    r"\b(?:more|less|(?!(?:sold|prem|barr|glac|carr|front|cash|p|t)ier)\w{2,}ier|newer|older|shorter|longer|darker|lighter|smarter|"
    r"deeper|calmer|faster|slower|cheaper|later|earlier|weirder|stranger|softer|harder|bigger|smaller|better|tenser|sadder|"
    r"quieter|gentler|louder|milder)\b(?! than\b)"
)
_COMPLAINT = re.compile(
    r"\b(?:is|are|was|looks?|seems?|sounds?|feels?) (?:a (?:bit|little) |way |far |much |just )?(?:too|so)\b"
)
_QUESTION = re.compile(r"^\W*(?:what|who|when|where|how|is|are|can|could|do|does|did|will|which)\b")


class RuleUnderstanding:
    """Reads messages about one catalogue. Made once; safe to share between threads.

    Args:
        catalogue: its items.
        titles: its titles.
    """

    def __init__(self, catalogue: Catalogue, titles: TitleIndex) -> None:
        self.catalogue = catalogue
        self.roles = Roles.of(catalogue)
        self.vocabulary = Vocabulary(catalogue, self.roles)
        self._titles = TitleReader(catalogue, titles, self.vocabulary)
        self.people = PeopleReader(catalogue, self.roles, self.vocabulary)
        self._field_words = field_words(self.roles)
        self._words = WishWords(self.vocabulary, self.roles)
        self.title_forms = titles.forms

    def understand(self, message: str, scene: Scene) -> Intent:
        """What the message asks for.

        Args:
            message: plain text, cleaned by the guard.
            scene: what it was said into.
        """
        message, language = in_english(message, lambda words: plain(words) in self.title_forms)
        note = f"I read that as {language}, word by word; in English I understand more."
        if not language:
            message, language = kinds_in_english(message)
            note = f"In {language} I read kinds only, no other words; in English I understand more."
        intent = self._understood(spelled_out(message), scene)
        if language and (scene.previous is None or scene.previous.language != language):
            intent.notes.append(note)
        intent.language = language
        return intent

    def _understood(self, message: str, scene: Scene) -> Intent:
        if (lasting := read_lasting(message, scene, self)) is not None:
            return lasting
        reply = read_reply(message, scene.previous)
        if reply is not None:
            return self._with_task(reply)
        parts = split_question(message)
        if parts is not None:
            both = combined(self._read(parts.question, scene), self._read(parts.rest, scene), scene)
            if both is not None:
                return both
        return self._read(message, scene)

    def _read(self, message: str, scene: Scene) -> Intent:
        utterance = Utterance(message)
        intent = Intent()
        small = self._opening(utterance, intent)
        if small is not None:
            return small
        if scene.slate and (asked := acts.OF_IT.search(utterance.view)):
            # its adjective is no wish: "is it long?" asks, "long ones" wishes
            utterance = Utterance(f"{utterance.raw[: asked.start()]} tell me about {asked['which']}")
        if read_comparison(utterance, scene, self._titles, self.vocabulary, intent):
            return intent
        negative = negative_spans(utterance.low)
        self._read_slate_talk(utterance, scene, negative, intent)
        if intent.act is not Act.recommend:
            return intent
        compares = self._read_wishes(utterance, negative, scene, intent)
        self._close(utterance, scene, intent, compares=compares)
        return intent

    def _opening(self, utterance: Utterance, intent: Intent) -> Intent | None:
        """Greetings, help, reset, undo; an Intent when the message holds nothing else."""
        if acts.HELP.search(utterance.view):
            return Intent(act=Act.help)
        undo = utterance.pop(acts.UNDO)
        intent.back = acts.steps_back(undo) if undo else 0
        if undo and not content(utterance):
            return Intent(act=Act.undo, back=intent.back)
        if utterance.pop(acts.SWITCH):
            intent.fresh = True
        if list(utterance.pop_all(acts.RESET)):
            intent.fresh = True
            if not content(utterance):
                return Intent(act=Act.reset)
        hello = utterance.pop(acts.HELLO)
        before = utterance.view
        thanked = bool(list(utterance.pop_all(acts.THANKS)))
        if (
            not content(utterance)
            and (hello or thanked)
            and not re.search(r"\b(?:more|what|which|something)\b", before)
        ):
            return Intent(act=Act.hello if hello else Act.thanks)
        return None

    def _read_slate_talk(self, utterance: Utterance, scene: Scene, negative: list[Span], intent: Intent) -> None:
        """Why, about, seen, liked, more like it: talk about cards and titles."""
        quoted = self._titles.quoted(utterance)
        dated = self._titles.with_year(utterance, negative)
        intent.barred += dated.barred
        quoted.items += dated.items
        quoted.unlinked += dated.unlinked
        why = utterance.pop(acts.WHY) is not None
        about = not why and utterance.pop(acts.ABOUT) is not None
        if why or about:
            self._read_question(utterance, scene, intent, quoted.items, why=why)
            if intent.act is not Act.recommend:
                return
        utterance.pop(acts.NOT_SEEN)
        like_it = self._read_opinions(utterance, scene, negative, intent)
        if intent.act is not Act.recommend:
            return
        # of cards it was read above; any other title can be hated too
        intent.disliked += self._titles.after(utterance, HATED, sure=True).items
        for cue, sure in ((LIKE, False), (LOVED, True)):
            linked = self._titles.after(utterance, cue, sure=sure, negative=negative)
            intent.anchors += linked.items
            intent.barred += linked.barred
            intent.unlinked += linked.unlinked
            intent.notes += linked.notes
        named, barred = self._titles.named(utterance, negative)
        intent.barred = [*intent.barred, *barred]
        intent.anchors = list(dict.fromkeys([*quoted.items, *intent.anchors, *named]))
        intent.unlinked += quoted.unlinked
        intent.notes += quoted.notes
        if like_it and not (scene.slate or intent.anchors or intent.seen or intent.unlinked):
            intent.act = Act.clarify

    def _read_question(
        self, utterance: Utterance, scene: Scene, intent: Intent, quoted: list[str], *, why: bool
    ) -> None:
        named = quoted or self._titles.mentioned(utterance, [card.item_id for card in scene.slate])
        pointed = read_pointers(utterance, scene, pronouns=not named, bare_numbers=True)
        intent.act = Act.why if why else Act.about
        intent.items = list(dict.fromkeys([*named, *pointed.items]))
        intent.slots = pointed.slots
        if intent.items or pointed.missing:
            return
        if not why:
            linked = self._titles.after(utterance, re.compile(r"^[\s\x1f]*(?=\S)"), sure=True)
            intent.items = linked.items
        if intent.items:
            return
        if why and scene.slate:
            # "why these?" asks about the whole list; the first card stands for it
            intent.items = [scene.focus or scene.slate[0].item_id]
        elif pointed.vague:
            intent.act = Act.clarify
        else:
            intent.act = Act.recommend

    def _read_opinions(self, utterance: Utterance, scene: Scene, negative: list[Span], intent: Intent) -> bool:
        """Seen, liked, more like it; True for "more like it" that points at nothing so far."""
        like_it = utterance.pop(acts.MORE_LIKE) is not None
        seen = utterance.pop(acts.SEEN) is not None
        disliked = not seen and self._pop_opinion(utterance, scene, acts.DISLIKED)
        liked = not seen and not disliked and self._pop_opinion(utterance, scene, acts.LIKED)
        pointing = seen or like_it or liked or disliked
        named = self._titles.mentioned(utterance, [card.item_id for card in scene.slate]) if pointing else []
        pointed = (
            read_pointers(utterance, scene, pronouns=pointing and not named, bare_numbers=seen or liked or disliked)
            if scene.slate or (pointing and (scene.focus or scene.compared))
            else Pointed()
        )
        if negative and not pointing:
            # "not Alien": a card that is ruled out by its title
            ruled_out = Utterance(" ".join(utterance.raw[span.start : span.end] for span in negative))
            intent.barred += self._titles.mentioned(ruled_out, [card.item_id for card in scene.slate])
            self._titles.mentioned(utterance, intent.barred)
        items = list(dict.fromkeys([*named, *pointed.items]))
        if seen and not items and not pointed.vague:
            items = self._titles.after(utterance, re.compile(r"(?:^|\x1f)\s*(?=[^\s\x1f])"), sure=True).items
        intent.slots = pointed.slots
        if pointing and not items and (pointed.vague or pointed.missing):
            intent.act = Act.clarify
            return False
        intent.seen = items if seen else []
        intent.disliked = items if disliked else []
        intent.liked = items if liked else []
        if like_it or liked:
            intent.anchors = list(items)
        elif not pointing and pointed.items:
            self._read_bare_pointer(utterance, negative, intent, pointed)
        return like_it and not items

    def _read_bare_pointer(self, utterance: Utterance, negative: list[Span], intent: Intent, pointed: Pointed) -> None:
        """A card pointed at and nothing said of it: ruled out, asked about, or taken as an example."""
        if is_negative(negative, pointed.start) or _COMPLAINT.search(utterance.low):
            intent.barred = list(dict.fromkeys([*intent.barred, *pointed.items]))
        elif "?" in utterance.low or _QUESTION.search(utterance.low) or not content(utterance):
            intent.act = Act.about
            intent.items = pointed.items
        else:
            intent.anchors = list(pointed.items)

    @staticmethod
    def _pop_opinion(utterance: Utterance, scene: Scene, pattern: re.Pattern[str]) -> bool:
        """Take "I loved" only when a card is meant, not a genre ("I love comedies") or a wish ("I'd like")."""
        match = pattern.search(utterance.view)
        if match is None or not scene.slate:
            return False
        rest = Utterance(utterance.raw[match.end() :])
        pointed = read_pointers(rest, scene, pronouns=True, bare_numbers=True)
        shown = {plain(re.sub(r"\s*\(\d{4}\)$", "", card.title)) for card in scene.slate}
        starts_with_title = any(plain(rest.raw).startswith(title) for title in shown if title)
        if pointed.empty and not starts_with_title:
            return False
        utterance.take(*match.span())
        return True

    def _read_wishes(self, utterance: Utterance, negative: list[Span], scene: Scene, intent: Intent) -> bool:
        """Everything that is asked for or ruled out; True when the message compares with the slate."""
        read_relaxed(utterance, negative, scene, intent, self.vocabulary, self.roles, self._field_words)
        intent.dropped = list(dict.fromkeys([*intent.dropped, *acts.dropped_fields(utterance, self._field_words)]))
        children = self._words.for_children(utterance, negative)
        # an idiom before the vocabulary: its "comfort" is no mood
        beyond = utterance.pop(acts.BEYOND) is not None
        # numbers first: "newer than 1985" is a year, "newer" alone compares with the slate
        numbers, intent.k = read_numbers(utterance, negative, self.catalogue, self.roles)
        compared, notes, compares = read_relative(utterance, scene, intent.anchors, self.catalogue, self.roles)
        in_language = self._words.languages(utterance, negative)
        people, unknown = self.people.read(utterance, negative)
        people += self.people.other_side(utterance, people)
        hits, moods = self.vocabulary.find(utterance)
        # "to practise my Spanish, something in Spanish": a language twice, no country
        spoken = {plain(value) for wish in in_language for value in wish.values}
        hits = [
            hit
            for hit in hits
            if hit.meaning.field != self.roles.country
            or plain(utterance.low[hit.span.start : hit.span.end]) not in spoken
        ]
        people += self.people.leftover(utterance, negative)
        self._words.misspelt(utterance, hits, moods, intent)
        # after the vocabulary: a value may be called "Winter Sports"
        intent.task, task_words = (Task.discover, "") if beyond else acts.read_task(utterance)
        counted = acts.COUNTED_MORE.search(utterance.low) is not None
        intent.more = utterance.pop(acts.MORE) is not None or counted
        intent.wishes = [
            *compared,
            *numbers,
            *children,
            *in_language,
            *wishes(hits, utterance, negative, self.roles),
            *people,
        ]
        leaning, words = self._words.moods(moods, utterance, negative, intent)
        intent.wishes += leaning
        intent.notes += notes
        intent.unlinked += unknown
        positive = [word for word, span in content(utterance) if not is_negative(negative, span.start)]
        intent.residue = list(
            dict.fromkeys(positive + [w for w, s in content(utterance) if is_negative(negative, s.start)])
        )
        intent.words = " ".join(dict.fromkeys([*words, *positive, *([task_words] if task_words else [])]))
        return compares

    def _close(self, utterance: Utterance, scene: Scene, intent: Intent, *, compares: bool) -> None:
        """Decide between a new request and a change to the running one."""
        text = utterance.low
        asks = bool(intent.wishes or intent.anchors or intent.task or intent.words)
        about_slate = bool(
            intent.seen
            or intent.liked
            or intent.disliked
            or intent.more
            or intent.dropped
            or intent.barred
            or intent.back
        )
        changes = about_slate or bool(intent.slots) or compares or not asks or acts.REFINE.search(text) is not None
        compared = (
            (_COMPARATIVE.search(text) is not None and not intent.anchors)
            or _answers(text, scene)
            or only_narrows(text, intent, self.roles, self.catalogue.item_noun)
        )
        intent.fresh = intent.fresh or not scene.running or not (changes or compared)
        nothing = not asks and not about_slate and intent.k is None and not intent.slots and not intent.unlinked
        off_topic = (
            _QUESTION.search(text) and not intent.wishes and not intent.anchors and not acts.REQUEST.search(text)
        )
        spoken_of = set(re.findall(r"[^\W_]+", text)) & topic_words(self.catalogue.item_noun)
        if intent.unlinked and not asks and not about_slate:
            # a title or name that isn't there, and nothing else to go by: say so rather than guess
            intent.act = Act.clarify
        elif off_topic and not about_slate and not intent.task and intent.k is None and not spoken_of:
            intent.act = Act.help
        elif nothing and not scene.running and not re.search(r"[^\W_]", text):
            intent.notes.append("I could not read a wish in that, so here is what I would pick for you.")
        elif intent.residue and not intent.wishes and not any("a" <= c <= "z" for c in "".join(intent.residue)):
            intent.notes.append(
                "I read English best, some German, French, Spanish and Italian too; I may have missed what you meant."
            )
        if asks:
            self._with_task(intent)

    def _with_task(self, intent: Intent) -> Intent:
        if intent.task is None and intent.act is Act.recommend and (intent.wishes or intent.anchors or intent.words):
            intent.task = task_of(intent, self.roles)
        return intent


def _answers(text: str, scene: Scene) -> bool:
    """Whether a short message answers the question that the last answer ended with, and so goes on with its request."""
    asked = scene.previous is not None and any(o.kind is OfferKind.choice for o in scene.previous.offers)
    return asked and len(text.split()) <= 8
