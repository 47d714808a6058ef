"""What the words of this world say about its drawings.

data/drawings/words.json (make_words.py) maps each trained word to the concepts it is true of: a
one-word name to its concept, a tag ("seafood") to all that carry it. All networks that learn words
learn these, so a linear map between two of them is determined.

    table = Words("data/drawings", bank)        # the bank of scenes.load_bank, no held-out ones
    table.true[concept]                         # which words are true of a drawing
"""
import json
from pathlib import Path

import torch

import concepts


class Words:
    """The trained words, known names first, and a table of which are true of which concept.

    names: the words; true: bool [concepts, words]; own: [concepts], the word that is the concept's
    name or -1.
    """

    def __init__(self, drawings, bank):
        table = json.loads((Path(drawings) / "words.json").read_text())
        place = {c.name: i for i, c in enumerate(bank)}
        assert not set(concepts.HELD_OUT) & (set(table) | set(place)), "held-out concept in training"
        self.names = concepts.KNOWN + [w for w in table if w not in concepts.KNOWN]
        self.true = torch.zeros(len(bank), len(self.names), dtype=torch.bool)
        self.own = torch.full((len(bank),), -1)
        for j, word in enumerate(self.names):
            for concept in table[word]:
                self.true[place[concept], j] = True
            if word in place:
                self.own[place[word]] = j

    def captions(self, tok, template):
        """Token ids [words, T] of the template filled with each word."""
        return torch.tensor(tok([template.format(w) for w in self.names]).input_ids)

    def trained(self):
        """For trained_words.txt: the words and those of the templates."""
        plain = {w for t in concepts.TEMPLATES for w in t.format("").split()}
        return sorted(plain | set(self.names))

    def targets(self, places):
        """Where each word should lie: the mean of the unit vectors of its concepts. [words, C]."""
        mean = self.true.T.float() @ places
        return torch.nn.functional.normalize(mean, dim=1)

    def sample(self, g, present, count):
        """Words of a step: true ones of the concepts `present` (at most 2/3), then random ones."""
        likely = self.true[present].any(0).nonzero()[:, 0]
        likely = likely[torch.randperm(len(likely), generator=g)][:2 * count // 3]
        rest = torch.ones(len(self.names), dtype=torch.bool)
        rest[likely] = False
        rest = rest.nonzero()[:, 0]
        rest = rest[torch.randperm(len(rest), generator=g)][:count - len(likely)]
        return torch.cat([likely, rest])
