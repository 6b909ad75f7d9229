"""How each person reads: the mode that holds for a card, the guide that proposes one, the diary and what it shows."""
