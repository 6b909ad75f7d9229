"""A small catalogue of made-up news, some of it shrill, for tests of calm texts from end to end."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import polars as pl

from recsys_core.catalog.catalogue import Catalogue

NEWS = [
    # id, title, text, category
    ("w1", "Terrifying blast rips through Marlow port, panic on the docks", "A terrifying explosion ripped through the port of Marlow on Tuesday, killing 3 people and injuring 41. Officials said a fuel tank had caught fire. The port was closed for 2 days.", "World"),
    ("w2", "Fury as Kestrel parliament slams the border deal", "Furious lawmakers in Kestrel slammed the border deal on Monday and did not ratify it. The vote was 112 to 98. A new round of talks begins on 4 May.", "World"),
    ("w3", "Horror flood nightmare: villages along the Oder swallowed", "Shocking floods swallowed 14 villages along the Oder at the weekend. No deaths were reported. About 2,300 people were moved to schools.", "World"),
    ("w4", "Port of Marlow reopens after repairs", "The port of Marlow, which handles 12 percent of the country's grain, reopened on Friday. Repairs cost 4.5 million euros.", "World"),
    ("w5", "Kestrel and Ardova resume talks on the border", "Delegations from Kestrel and Ardova met on Thursday. The border between them is 310 km long and has been disputed since 1991.", "World"),
    ("s1", "Shock defeat: United humiliated in a disastrous night", "United suffered a humiliating 4-0 defeat at home on Saturday, a disaster for coach Petra Lindqvist. It was the club's first home loss since March.", "Sports"),
    ("s2", "Outrage over the referee's appalling penalty call", "Angry fans raged after an appalling penalty decision in the 89th minute. The league said it would not review the call.", "Sports"),
    ("s3", "Lindqvist extends her contract with United until 2029", "Coach Petra Lindqvist has extended her contract with United until 2029. The club finished third last season.", "Sports"),
    ("s4", "Marathon record falls in Tallin", "Abel Tesfaye ran the Tallin marathon in 2:03:11 on Sunday, 9 seconds below the course record of 2018.", "Sports"),
    ("s5", "Rowers open the season on the lake", "Eleven clubs opened the rowing season on the lake on Sunday in light wind.", "Sports"),
    ("b1", "Markets crash in sheer panic as Nordbank shocks investors", "Shares crashed 7.4 percent on Wednesday as a shocking profit warning from Nordbank terrified investors. The bank expects a loss of 620 million euros.", "Business"),
    ("b2", "Workers' rage explodes over the brutal layoffs at Helvia", "Helvia will cut 1,200 jobs, and rage exploded among workers over the brutal plan. The union did not rule out a strike.", "Business"),
    ("b3", "Nordbank names a new head of risk", "Nordbank named Ines Carvalho head of risk on Monday. The bank has 38 branches and was founded in 1974.", "Business"),
    ("b4", "Helvia opens a plant for heat pumps", "Helvia opened a plant for heat pumps that will employ 300 people. The company makes boilers and pumps.", "Business"),
    ("b5", "Coffee prices ease after a good harvest", "Coffee prices fell 3 percent this week after growers reported a good harvest.", "Business"),
    ("t1", "Scientists stunned: killer asteroid comes frighteningly close", "Stunned astronomers warned that asteroid 2031 QB passed frighteningly close to Earth on Monday, at 410,000 km. It will not hit the planet.", "Sci/Tech"),
    ("t2", "Nightmare bug: millions of phones in terrifying danger", "A terrifying bug put 9 million phones in danger, researchers said. Version 14.2 fixes it. No attacks are known.", "Sci/Tech"),
    ("t3", "Observatory counts near-Earth asteroids", "The Teide observatory has counted 36,000 near-Earth asteroids. About 2,000 pass within 20 million km a year.", "Sci/Tech"),
    ("t4", "Phone maker ships version 14.2", "The maker shipped version 14.2 of its system on Thursday. The update takes ten minutes.", "Sci/Tech"),
    ("t5", "Museum shows early calculating machines", "A museum in Ghent shows 60 calculating machines from 1642 to 1950.", "Sci/Tech"),
]  # fmt: skip
LOUD = [row[0] for row in NEWS if row[0][1] in "12"] + ["w3"]
"""Ids of the shrill ones."""


def news_catalogue() -> Catalogue:
    """The articles as a catalogue."""
    frame = pl.DataFrame(
        {
            "id": [row[0] for row in NEWS],
            "title": [row[1] for row in NEWS],
            "text": [row[2] for row in NEWS],
            "attr:category": [[row[3]] for row in NEWS],
        }
    )
    return Catalogue(frame, item_noun="articles")


def write_news(folder: Path, users: int = 40) -> tuple[Path, Path]:
    """The articles and made-up readers as the two files of an import: items and interactions."""
    items, log = folder / "news.csv", folder / "reads.csv"
    with items.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("id", "title", "text", "category"), *NEWS])
    chance = random.Random(7)
    with log.open("w", newline="", encoding="utf-8") as out:
        rows = [
            (f"reader{user}", row[0], 1_700_000_000 + 3_600 * (user * 10 + place))
            for user in range(users)
            for place, row in enumerate(chance.sample(NEWS, 6))
        ]
        csv.writer(out).writerows([("user", "item", "timestamp"), *rows])
    return items, log
