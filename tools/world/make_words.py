"""Which words name which concepts, for the networks that train more words than there are names.

    python tools/world/make_words.py --source EMOJI_FOLDER --bpe bpe_simple_vocab_16e6.txt.gz

Writes data/drawings/words.json: word -> names of known and auxiliary concepts. A one-word name
stands for its concept alone; the other words come from longer names and from the tags of the
emoji sets and stand for every concept that has them. Kept are words that CLIP holds whole: all
names, and of the tags those of several concepts, then the most frequent ones (CLIP's merges are in
order of frequency), as each word costs the vocabulary a few merges.
Needed once, as the tags are in EMOJI_FOLDER/manifest.json only.
"""
import argparse
import json
import re
from pathlib import Path

import concepts
import make_vocab

COUNT = 870             # words kept
STOP = set("a an the of in on and with at by to for from near or not no it is as".split())


def words_of(entries, roles):
    """word -> names, in order of the alphabet."""
    names = {n for n, role in roles.items() if role != "held_out"}
    banned = STOP | {h + s for h in concepts.HELD_OUT for s in ("", "s", "es")}
    found = {}
    for e in entries:
        name = e["name"].lower()
        if name in names:
            for text in [name] + e["tags"]:
                for word in re.findall("[a-z]+", text.lower()):
                    if len(word) > 2 and word not in banned:
                        found.setdefault(word, set()).add(name)
    return {w: [w] if w in names else sorted(found[w]) for w in sorted(found)}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--source", type=Path, required=True)
    ap.add_argument("--bpe", type=Path, required=True)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    a = ap.parse_args()
    rank = {m: i for i, m in enumerate(make_vocab.read_merges(a.bpe))}
    shipped = json.loads((a.drawings / "manifest.json").read_text())
    words = words_of(json.loads((a.source / "manifest.json").read_text()),
                     {e["name"]: e["role"] for e in shipped})
    last = {}               # word -> rank of the merge that completes it
    for word in words:
        parts, used = make_vocab.split_word(word, rank)
        if len(parts) == 1:
            last[word] = rank[used[-1]]
    order = sorted(last, key=lambda w: (words[w] != [w], len(words[w]) == 1, last[w]))
    whole = {w: words[w] for w in sorted(order[:COUNT])}
    lines = ",\n".join(f"{json.dumps(w)}: {json.dumps(n)}" for w, n in whole.items())
    (a.drawings / "words.json").write_text("{\n" + lines + "\n}\n")
    print(f"{len(whole)} words of {len(words)}")


if __name__ == "__main__":
    main()
