"""Mood-like words: what they lean to among the values that a catalogue has, and what their negation rules out."""

# ruff: noqa: E501 - tables read better unbroken
from __future__ import annotations

from typing import NamedTuple


class Mood(NamedTuple):
    """A mood-like word.

    Attributes:
        forms: how it is said, comparatives included.
        values: values it leans to (any of those the catalogue has).
        ruled_out: values that its negation rules out.
        instead: values its negation leans to.
        words: how the wish is said back, and what an Intent calls the mood.
        topic: says what a thing is about rather than how it feels; no mood of an Intent.
    """

    forms: tuple[str, ...]
    values: tuple[str, ...]
    ruled_out: tuple[str, ...]
    instead: tuple[str, ...]
    words: str
    topic: bool = False


MOODS: tuple[Mood, ...] = (
    Mood(("funny", "funnier", "funniest", "hilarious", "humorous", "humor", "humour", "more humor", "more humour", "laugh", "laughs", "a laugh",
          "make me laugh", "makes me laugh", "laugh out loud", "witty", "wittier", "silly", "sillier", "goofy", "goofier", "fun", "more fun",
          "amusing", "quirky", "wacky", "slapstick", "less serious", "absurd"), ("comedy",), (), ("drama",), "funny"),
    Mood(("light-hearted", "lighthearted", "light hearted", "light", "lighter", "lightest", "easy going", "easygoing", "breezy", "undemanding", "easy to watch",
          "less dark", "less heavy", "less bleak", "less gritty"), ("comedy",), (), ("drama",), "light-hearted"),
    Mood(("feel-good", "feel good", "feelgood", "uplifting", "cheerful", "cheerier", "happy", "happier", "happy ending", "heartwarming", "heart-warming", "optimistic",
          "inspiring", "inspirational", "cheer me up", "cheers me up", "cheering up", "pick-me-up", "less sad", "less depressing", "hopeful"),
         ("comedy", "romance", "musical"), (), ("drama",), "feel-good"),
    Mood(("scary", "scarier", "scariest", "creepy", "creepier", "spooky", "spookier", "terrifying", "frightening", "eerie", "chilling", "haunting", "scare me", "nightmares"),
         ("horror",), ("horror",), (), "scary"),
    Mood(("exciting", "more exciting", "thrilling", "adrenaline", "fast-paced", "fast paced", "faster", "action-packed", "action packed", "high-octane", "more action",
          "less slow", "less boring", "less talky", "less dull", "more pace", "pacy"), ("action", "adventure", "thriller"), (), (), "exciting"),
    Mood(("tense", "tenser", "suspenseful", "suspense", "gripping", "nail-biting", "nail biting", "edge of my seat", "edge-of-your-seat", "edge of your seat", "edge-of-my-seat", "nerve-wracking"),
         ("thriller", "mystery"), ("thriller", "horror"), (), "tense"),
    Mood(("date night", "date-night", "sexy", "passionate", "more romantic", "lovey-dovey", "first date", "swoony"), ("romance",), (), (), "romantic"),
    Mood(("sad", "sadder", "saddest", "tearjerker", "tear-jerker", "tearjerkers", "moving", "touching", "heartbreaking", "break my heart", "breaks my heart", "broken heart", "emotional", "tragic", "melancholic",
          "melancholy", "bittersweet", "poignant", "make me cry", "makes me cry", "a good cry", "weepy", "weepie"), ("drama", "romance"), (), ("comedy",), "sad"),
    Mood(("depressing", "heavy", "heavier", "bleak", "bleaker", "gloomy", "grim"), ("drama", "war", "film-noir"), (), ("comedy",), "heavy"),
    Mood(("serious", "more serious", "thoughtful", "thought-provoking", "thought provoking", "deep", "deeper", "intelligent", "smart", "smarter", "clever", "cerebral",
          "less funny", "less silly", "less goofy", "profound", "talky", "slow", "slow-burn", "slow burn", "philosophical"), ("drama", "documentary"), (), ("comedy", "action"), "thoughtful"),
    Mood(("mind-bending", "mind bending", "mindbending", "twisty", "trippy", "weird", "weirder", "strange", "surreal", "a twist", "twist ending", "plot twist", "plot twists", "mind-blowing"),
         ("mystery", "sci-fi", "science fiction", "thriller", "fantasy"), (), (), "mind-bending"),
    Mood(("dark", "darker", "darkest", "gritty", "grittier", "sinister", "edgy", "edgier", "brooding"), ("film-noir", "thriller", "crime"), ("film-noir", "horror"),
         ("comedy",), "dark"),
    Mood(("violent", "violence", "more violent", "gore", "gory", "bloody", "blood", "brutal", "shooting", "killing", "bloodshed", "shootouts", "guns"),
         ("action", "war", "horror"), ("action", "horror", "war"), (), "violent"),
    Mood(("cosy", "cozy", "cosier", "cozier", "relaxing", "relax", "calm", "calmer", "wholesome", "comforting", "comfort", "gentle", "gentler", "soothing", "quiet", "chill", "unwind",
          "switch off", "turn my brain off", "cuddle", "cuddle up"),
         ("comedy", "family", "romance"), (), (), "relaxing"),
    Mood(("epic", "sweeping", "grand", "monumental", "spectacular"), ("adventure", "war", "action"), (), (), "epic"),
    Mood(("adventurous", "swashbuckling", "swashbuckler"), ("adventure",), (), (), "adventurous"),
    Mood(("nostalgic", "nostalgia"), ("musical", "romance", "drama"), (), (), "nostalgic"),
    Mood(("family night", "family movie night", "watch with my family", "watch with the family", "with the whole family", "all ages"),
         ("children's", "animation", "family"), (), (), "for the whole family"),
    Mood(("childish", "kiddie", "babyish"), ("children's",), ("children's",), (), "childish"),
    Mood(("magical", "magic", "wizards", "dragons", "fairy tale", "fairy tales", "whimsical"), ("fantasy", "children's"), ("fantasy",), (), "magical"),
    Mood(("educational", "true story", "true stories", "based on a true story", "real life", "real events", "learn something", "informative"), ("documentary", "biography", "history"),
         (), (), "true to life", True),
    Mood(("space", "aliens", "robots", "futuristic", "time travel", "spaceship", "spaceships", "outer space", "dystopian", "dystopia"),
         ("science fiction", "sci-fi"), ("science fiction", "sci-fi"), (), "set in space or the future", True),
    Mood(("detective", "detectives", "murder", "murders", "serial killer", "serial killers", "murder mystery", "murder mysteries"), ("mystery", "crime", "thriller"), ("mystery", "crime"),
         (), "about a case to solve", True),
    Mood(("gangster", "gangsters", "mafia", "mob", "mobsters", "heist", "heists"), ("crime",), ("crime",), (), "about gangsters", True),
    Mood(("superhero", "superheroes", "martial arts", "kung fu", "car chases", "car chase", "explosions", "fights", "fighting"), ("action",), ("action",), (), "full of action", True),
    Mood(("cowboy", "cowboys", "wild west"), ("western",), ("western",), (), "with cowboys", True),
    Mood(("singing", "songs", "dancing"), ("musical",), ("musical",), (), "with songs", True),
    Mood(("soldiers", "battle", "battles", "world war", "vietnam war", "world war two", "world war ii", "ww2", "wwii"), ("war",), ("war",), (), "about war", True),
    Mood(("ghost", "ghosts", "haunted house", "zombies", "zombie", "vampires", "vampire", "monsters", "slasher", "slashers", "jump scares"), ("horror",), ("horror",), (), "about things that haunt", True),
)  # fmt: skip
"""Words that lean to values without demanding them."""
