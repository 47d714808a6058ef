"""Token ids of transformers' CLIPTokenizerFast for 6,000 strings, as hashes.

    python tests/reference/tokenizer_strings.py      writes fixtures/tokenizer/strings.json

The strings are made of the "atoms" in that file by a rule that tests/io/test_tokenizer_strings.c repeats (see `strings`):
words, scripts, combining marks, emoji, white space, controls, contractions, digits, special tokens in odd case. Each
string's ids are folded to 24 bits (FNV-1a), once with the usual pad and once with the pad "!" of Stable Diffusion 2.1.
Ran with transformers 4.57.6, tokenizers 0.22.2, Python 3.11. The same comparison over CLIP's full vocabulary is described in
docs/protocol.md.
"""

import json
import pathlib
import random
import shutil
import tempfile
import unicodedata

from transformers import CLIPTokenizerFast

HERE = pathlib.Path(__file__).parent / "fixtures" / "tokenizer"
COUNT = 6000
MASK = (1 << 64) - 1


def atoms():
    rng = random.Random(24060)
    words = [w[:-4] for w in json.load(open(HERE / "vocab.json")) if w.endswith("</w>") and len(w) > 5 and w[0] != "<"]
    words = [w for w in words if w.isascii()]
    code_points = [c for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000]
    known = [c for c in code_points if unicodedata.category(chr(c)) not in ("Cn", "Co")]
    marks = [c for c in known if unicodedata.combining(chr(c))] + list(range(0x1ABF, 0x1ACF)) + [0x1E4EC, 0x10EFD]
    out = rng.sample(words, 150) + [w.upper() for w in rng.sample(words, 50)]
    out += [chr(c) for c in rng.sample(known, 250) + rng.sample(marks, 120) + rng.sample(code_points, 60)]
    out += [chr(c) for c in range(1, 0x21)] + list("\x7f\x85\xa0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000\u200b\ufeff\u180e")
    out += list("abcdefghijklmnopqrstuvwxyzSTIK0123456789'\"!?.,;:-_<>|()[]{}@#$%^&*~`’“”«»…—–½²Ⅷ٣①ﬁﬀＡｌİıſßẞΣσςǅÅK가ㄱ각é")
    out += ["e\u0301", "a\u0323\u0302", "'s", "'S", "'t", "'re", "'VE", "'m", "'ll", "'d", "’s", "!!!", "<|endoftext|>",
            "<|StartOfText|>", "<|ENDOFTEXT|>", "<|endoftext", "👩\u200d👩\u200d👧", "🧑🏽", "❤\ufe0f", "1\u20e3", "🇩🇪",
            "\U00011935\U00011930", "\U000105D2\u0307", "\ua7cb", "\U00010D50", "supercalifragilistic" * 4, "fox" * 30]
    return out + [" "] * 60


def strings(atoms):
    """String i: 1 to 12 atoms (to 60 for each 97th) drawn with splitmix64 seeded with i."""
    for i in range(COUNT):
        state = i

        def draw(n):
            nonlocal state
            state = (state + 0x9E3779B97F4A7C15) & MASK
            z = state
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            return ((z ^ (z >> 31)) >> 33) % n

        yield "".join(atoms[draw(len(atoms))] for _ in range(1 + draw(60 if i % 97 == 0 else 12)))


def fold(ids):
    h = 2166136261
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return f"{h & 0xFFFFFF:06x}"


if __name__ == "__main__":
    found = {"atoms": atoms()}
    texts = list(strings(found["atoms"]))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(HERE / name, folder)
        for key, pad in (("usual", None), ("pad", "!")):
            if pad:
                (pathlib.Path(folder) / "special_tokens_map.json").write_text(json.dumps({"pad_token": pad}))
            ids = CLIPTokenizerFast.from_pretrained(folder)(texts).input_ids
            found[key] = "".join(map(fold, ids))
    (HERE / "strings.json").write_text(json.dumps(found, indent=0))
    print(len(texts), "strings,", sum(map(len, texts)), "code points; usual and pad differ for",
          sum(found["usual"][6 * i:6 * i + 6] != found["pad"][6 * i:6 * i + 6] for i in range(COUNT)))
