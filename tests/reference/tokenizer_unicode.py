"""Where the Unicode tables of the tokenizer's reference are newer or older than utf8proc's.

    python tests/reference/tokenizer_unicode.py FOLDER        writes io/tokenizer/tokenizer_unicode.inc

FOLDER holds vocab.json and merges.txt of any CLIP. The fast tokenizer (PyPI tokenizers) splits text by a recent Unicode,
but composes (NFC) by an old one: combining marks that were added later are never reordered or composed. Every code point
is asked of it; what differs from Unicode 14 (Python 3.11, older than any utf8proc we meet) goes into the table. `words`
is whole: every code point that keeps an added token with single_word from standing alone. Ran with transformers 4.57.6,
tokenizers 0.22.2, regex 2026.11.15; `words` with tokenizers 0.22.2 and 0.23.3, which agree.
"""

import pathlib
import sys
import unicodedata

import regex
from tokenizers import AddedToken, Tokenizer, models
from transformers import CLIPTokenizerFast

# Letters that compose since Unicode 16 only: kept apart from what follows, whatever utf8proc knows.
COMPOSED_LATER = [(0x105C0, 0x105F3), (0x11380, 0x113E2), (0x16100, 0x16139), (0x16D40, 0x16D79)]
OUT = pathlib.Path(__file__).parents[2] / "io" / "tokenizer_unicode.inc"


def ranges(found):
    """[(first, last, value)] of a dictionary {code point: value}."""
    out = []
    for c in sorted(found):
        if out and out[-1][1] == c - 1 and out[-1][2] == found[c]:
            out[-1][1] = c
        else:
            out.append([c, c, found[c]])
    return out


def words():
    """{code point: True} of all that may not adjoin a token with single_word, on either side."""
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.add_tokens([AddedToken("Q", single_word=True, normalized=False)])
    all_of_them = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
    found = {}
    for make in (lambda c: "Q" + chr(c), lambda c: chr(c) + "Q"):
        for c, encoding in zip(all_of_them, tokenizer.encode_batch([make(c) for c in all_of_them])):
            if 1 not in encoding.ids:
                found[c] = True
    return found


def main(folder):
    backend = CLIPTokenizerFast.from_pretrained(folder).backend_tokenizer
    normal = backend.normalizer.normalize_str
    pieces = lambda text: [p for p, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    kinds, lower, alone = {}, {}, {0x11930: True}
    for c in range(0x80, 0x110000):
        if 0xD800 <= c < 0xE000 or c in (0x130,):
            continue
        t = chr(c)
        if unicodedata.category(t) == "Cn":
            small = normal(t)
            if small != t:
                lower[c] = ord(small) - c
            if len(pieces("x" + t + "y")) == 1:
                kinds[c] = "LETTER"
            elif len(pieces(t + t)) == 2:
                kinds[c] = "NUMBER"
        if regex.match(r"\P{CCC=0}", t) and normal(t + "\u0334") == t + "\u0334" and normal("\u0345" + t) == "\u0345" + t:
            alone[c] = True
    for first, last in COMPOSED_LATER:
        alone.update({c: True for c in range(first, last + 1)})
    lines = ["/* Made by tests/reference/tokenizer_unicode.py; not to be edited. */"]
    table = lambda name, text: lines.append(f"static const {name} = {{{', '.join(text)}}};")
    table("vw_range kinds[]", [f"{{0x{a:X}, 0x{b:X}, {k}}}" for a, b, k in ranges(kinds)])
    table("vw_range lower[]", [f"{{0x{a:X}, 0x{b:X}, {k}}}" for a, b, k in ranges(lower)])
    table("vw_range alone[]", [f"{{0x{a:X}, 0x{b:X}, 1}}" for a, b, _ in ranges(alone)])
    table("vw_range words[]", [f"{{0x{a:X}, 0x{b:X}, 1}}" for a, b, _ in ranges(words())])
    OUT.write_text("\n".join(lines) + "\n")
    print(len(kinds), "kinds,", len(lower), "lower,", len(alone), "alone")


if __name__ == "__main__":
    main(sys.argv[1])
