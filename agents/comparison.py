"""Items side by side, from catalogue facts only: what they share, where they differ, which fits better and by what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from agents.cards import facts_of, join_words, sentence, spoken_title
from agents.intent import Wish
from agents.request import satisfies
from agents.state import Fact, WorkingRequest
from agents.understanding.roles import Roles
from agents.understanding.vocabulary import Vocabulary
from agents.why import told_fact
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind

MAX_SIDE_BY_SIDE = 4
"""More items than this are only ranked, not described."""


class Comparison:
    """A comparison of a few items.

    Args:
        items: item ids, at least two.
        request: the running request.
        history: item ids that the person knows and didn't dislike, newest last.
        catalogue: where the facts are.
        roles: its fields by part.
        vocabulary: what "funnier" leans to.
    """

    def __init__(
        self,
        items: Sequence[str],
        request: WorkingRequest,
        history: Sequence[str],
        catalogue: Catalogue,
        roles: Roles,
        vocabulary: Vocabulary,
    ) -> None:
        self._items = list(items)
        self._request = request
        self._history = [item for item in history if item not in set(items)]
        self._catalogue = catalogue
        self._roles = roles
        self._vocabulary = vocabulary
        self._facts = {item: facts_of(catalogue, item) for item in self._items}
        said = {item: spoken_title(catalogue.get(item).title) for item in self._items}
        twice = {title for title, count in Counter(said.values()).items() if count > 1}
        self._titles = {
            item: f"{title} ({self._facts[item].get(roles.year or '', item)})" if title in twice else title
            for item, title in said.items()
        }

    def text(self, aspect: str) -> str:
        """The comparison in a few sentences; about one quality when `aspect` names one ("shorter")."""
        if aspect:
            about = self._about(aspect)
            if about:
                return about
        parts = [f"I can't tell which is {aspect} from the catalogue."] if aspect else []
        if len(self._items) <= MAX_SIDE_BY_SIDE:
            parts += [self._shared(), *self._differences()]
        parts += [self._fit(), self._by_history()]
        return " ".join(part for part in parts if part) or "The catalogue knows nothing that would tell them apart."

    def _shared(self) -> str:
        shared: list[str] = []
        for name, values in self._common().items():
            shared.append(told_fact(name, values, self._roles))
        names = self._named(self._items)
        return f"{names} {'are both' if len(self._items) == 2 else 'are all'} {', '.join(shared)}." if shared else ""

    def _common(self) -> dict[str, Fact]:
        """Values that all items have: equal tags, and equal single values of text fields."""
        common: dict[str, Fact] = {}
        first, *others = (self._facts[item] for item in self._items)
        for name, value in first.items():
            values = _listed(value)
            kept = [v for v in values if all(v in _listed(other.get(name)) for other in others)]
            if kept and self._catalogue.fields[name].kind in {FieldKind.string, FieldKind.tags}:
                common[name] = kept
        return common

    def _differences(self) -> list[str]:
        told = []
        common = self._common()
        for item in self._items:
            own = []
            for name, value in self._facts[item].items():
                same = common.get(name)
                left: Fact = [v for v in _listed(value) if v not in _listed(same)] if same is not None else value
                numbers = (
                    {self._facts[other].get(name) for other in self._items}
                    if isinstance(value, int | float)
                    else {0, 1}
                )
                if left not in ([], "") and not isinstance(left, bool) and len(numbers) > 1:
                    own.append(told_fact(name, left, self._roles))
            if own:
                told.append(f"{self._titles[item]}: {', '.join(own)}.")
        return [*told, self._gaps()]

    def _gaps(self) -> str:
        """Of two items, by how much one is newer, longer or dearer."""
        if len(self._items) != 2:
            return ""
        one, two = self._items
        gaps: dict[str, list[str]] = {}
        for name, word, unit in (
            (self._roles.year, "newer", "year"),
            (self._roles.duration, "longer", "minute"),
            (self._roles.price, "dearer", ""),
        ):
            values = [self._facts[item].get(name or "") for item in (one, two)]
            first, second = (float(v) if isinstance(v, int | float) else float("nan") for v in values)
            if np.isnan(first) or np.isnan(second) or first == second:
                continue
            size = f"{abs(first - second):g}"
            by = f"{size} {unit}{'' if size == '1' else 's'} {word}" if unit else f"{word} by {size}"
            gaps.setdefault(one if first > second else two, []).append(by)
        return sentence(join_words([f"{self._titles[item]} is {join_words(told)}" for item, told in gaps.items()]))

    def _fit(self) -> str:
        """Which fits the running request better, and by which wishes."""
        wishes = self._request.wishes
        if not wishes:
            return ""
        fits = {item: [w for w in wishes if satisfies(w, item, self._catalogue) != w.negative] for item in self._items}
        most = max(len(fit) for fit in fits.values())
        best = [item for item in self._items if len(fits[item]) == most]
        if most and len(best) == len(self._items):
            which = "both fit" if len(best) == 2 else "all fit"
            return f"They {which} what you asked for equally well: {self._words(fits[best[0]])}."
        if most == 0:
            return (
                "None of them fits what you asked for." if len(self._items) > 2 else "Neither fits what you asked for."
            )
        others = [wish for item in self._items if item not in best for wish in fits[item]]
        why = [wish for wish in fits[best[0]] if wish not in others] or fits[best[0]]
        fit = "fits" if len(best) == 1 else "fit"
        return f"{self._named(best)} {fit} what you asked for best: {self._words(why)}."

    def _by_history(self) -> str:
        """Which shares more with what the person knows, and what that is."""
        if not self._history:
            return ""
        weights: dict[str, float] = {}
        shared: dict[str, Counter[str]] = {}
        for item in self._items:
            counts: Counter[str] = Counter()
            for known in self._history[-50:]:
                counts.update(self._telling(item) & self._telling(known))
            shared[item] = counts
            weights[item] = float(sum(counts.values()))
        best = max(self._items, key=lambda item: weights[item])
        rivals = [weights[item] for item in self._items if item != best]
        if weights[best] <= max(rivals):
            return ""
        others = {value for item in self._items if item != best for value in shared[item]}
        own = [value for value, _ in shared[best].most_common() if value not in others]
        value = (own or [shared[best].most_common(1)[0][0]])[0]
        sharing = [known for known in self._history[-50:] if value in self._telling(known)]
        titles = join_words([spoken_title(self._catalogue.get(known).title) for known in sharing[-2:]])
        more = f" and {len(sharing) - 2} more" if len(sharing) > 2 else ""
        return f"Going by what you know, {self._titles[best]} is nearer: it shares {value} with {titles}{more}."

    def _telling(self, item_id: str) -> set[str]:
        """Kinds (the commonest of the catalogue left aside) and makers of an item."""
        values = set()
        attributes = self._catalogue.get(item_id).attributes
        for name in (*self._roles.genres, *self._roles.makers):
            common = self._catalogue.fields[name].values[:1] if name in self._roles.genres else []
            told = [v for v in _listed(attributes.get(name)) if v not in common]
            values |= {v.lower() if name in self._roles.genres else v for v in told}
        return values

    def _about(self, aspect: str) -> str:
        """The answer to one quality: "Alien (117 minutes) is shorter, before Heat (170 minutes)."; or empty."""
        ranked = self._by_number(aspect)
        if ranked is None:
            return self._by_mood(aspect)
        name, down = ranked
        values = {item: self._facts[item].get(name) for item in self._items}
        known = {item: float(v) for item, v in values.items() if isinstance(v, int | float)}
        if len(known) < 2:
            return ""
        order = sorted(known, key=lambda item: known[item] if down else -known[item])
        most = [item for item in order if known[item] == known[order[0]]]
        told = [f"{self._titles[item]} ({_number(name, values[item], self._roles)})" for item in order]
        word = _superlative(aspect) if len(self._items) > 2 else _comparative(aspect)
        if len(most) == len(known):
            amount = _number(name, values[order[0]], self._roles)
            return (
                f"They are the same there: {self._named(order)} {'both' if len(order) == 2 else 'all'} have {amount}."
            )
        if len(most) > 1:
            return f"{self._named(most)} are {word} alike ({_number(name, values[most[0]], self._roles)})."
        return f"{told[0]} is {word}, before {join_words(told[1:])}."

    def _by_number(self, aspect: str) -> tuple[str, bool] | None:
        """The number field that a word compares, and whether less of it is more of the quality."""
        roles = self._roles
        for pattern, field, down in (
            (r"short", roles.duration, True),
            (r"long", roles.duration, False),
            (r"new|recent|latest", roles.year, False),
            (r"old|earli", roles.year, True),
            (r"cheap|less expensive|least expensive", roles.price, True),
            (r"expensive", roles.price, False),
            (r"rated|popular", roles.stars, False),
        ):
            if field and re.search(pattern, aspect):
                return field, down
        if said := re.fullmatch(r"(more|most|fewer|fewest|less|least|higher|highest) (.+)", aspect):
            word = said[2].rstrip("s").casefold()
            for field in roles.numbers:
                if field.replace("_", " ").rstrip("s").casefold() == word:
                    return field, said[1] in {"fewer", "fewest", "less", "least"}
        return None

    def _by_mood(self, aspect: str) -> str:
        word = re.sub(r"^(?:more|most|less|least) ", "", aspect)
        mood = self._vocabulary.mood(aspect) or self._vocabulary.mood(word) or self._vocabulary.mood(_base(word))
        values = (
            mood.values if mood is not None else tuple(v for m in self._vocabulary.lookup(word)[:1] for v in m.values)
        )
        for field in self._roles.genres:
            wanted = self._vocabulary.pick(field, values)
            if not wanted:
                continue
            shares = {item: _share(self._facts[item].get(field), wanted) for item in self._items}
            turned = aspect.startswith(("less ", "least "))
            best = [i for i in self._items if shares[i] == (min if turned else max)(shares.values())]
            if len(best) == len(self._items):
                kinds = join_words([v.lower() for v in wanted], "or")
                count = "of the two" if len(best) == 2 else "of them"
                who = ("both" if len(best) == 2 else "all") if shares[best[0]] else f"none {count}"
                return f"By their kinds I can't tell: {who} {'are' if shares[best[0]] else 'is'} {kinds}."
            others = [item for item in self._items if item not in best]
            told = [
                told_fact(field, self._facts[i].get(field, "nothing known"), self._roles) for i in (best[0], others[0])
            ]
            verb = "is" if len(best) == 1 else "are"
            return (
                f"By its kinds, {self._named(best)} {verb} the {_comparative(aspect)} choice ({told[0]}); "
                f"{self._titles[others[0]]} is {told[1]}."
            )
        return ""

    def _words(self, wishes: list[Wish]) -> str:
        said = [wish.words.lower() if wish.field in self._roles.genres else wish.words for wish in wishes]
        return join_words(list(dict.fromkeys(said))[:4])

    def _named(self, items: Sequence[str]) -> str:
        return join_words([self._titles[item] for item in items])


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _share(value: object, wanted: Sequence[str]) -> float:
    """Share of an item's kinds that are among the wanted ones; more of them first."""
    kinds = _listed(value)
    return float(np.mean([kind in wanted for kind in kinds])) if kinds else 0.0


def _number(name: str, value: Fact | None, roles: Roles) -> str:
    return told_fact(name, value, roles) if value is not None else "unknown"


def _comparative(aspect: str) -> str:
    return re.sub(r"^(?:most|best) ", "more ", re.sub(r"(?<=\w)(?<!er)est$", "er", aspect)).replace("latest", "newer")


def _superlative(aspect: str) -> str:
    most = re.sub(r"^more ", "most ", re.sub(r"(?<=\w\w)er$", "est", aspect))
    return f"the {most.replace('better', 'best').replace('higher', 'highest')}"


def _base(word: str) -> str:
    return re.sub(r"iest$|ier$", "y", re.sub(r"(?<!i)e(?:st|r)$", "", word))
