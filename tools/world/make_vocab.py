"""Cut CLIP's vocabulary down to the words of the embedded world.

    python tools/world/make_vocab.py --bpe bpe_simple_vocab_16e6.txt.gz --out data/clip-tiny

The BPE file (MIT, OpenAI CLIP; also inside the open-clip-torch package) is needed only here: the
tokenizer files that come out stand in the repository. Entries keep CLIP's order: bytes, bytes
that end a word, merges, start, end. So "!" is id 0, the end of text is the largest id, and each
of our words splits as CLIP splits it, mostly into one token. Other words split into more pieces
than CLIP's, down to bytes.
"""
import argparse
import gzip
import json
import re
from pathlib import Path

import concepts

N_MERGES = 49152 - 256 - 2      # those that CLIP uses of the file


def bytes_to_unicode():
    """CLIP's printable stand-ins for the 256 byte values, in the order of the vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def read_merges(path):
    """The merges of the full tokenizer as pairs, most frequent first."""
    with gzip.open(path, "rt", encoding="utf-8") as f:
        return [tuple(line.split()) for line in f.read().split("\n")[1:N_MERGES + 1]]


def split_word(word, rank):
    """(tokens, merges used) of one lower-case ASCII word."""
    parts, used = [*word[:-1], word[-1] + "</w>"], []
    while len(parts) > 1:
        pair = min(zip(parts, parts[1:]), key=lambda p: rank.get(p, 1 << 30))
        if pair not in rank:
            break
        used.append(pair)
        out, i = [], 0
        while i < len(parts):
            if tuple(parts[i:i + 2]) == pair:
                out.append(parts[i] + parts[i + 1])
                i += 2
            else:
                out.append(parts[i])
                i += 1
        parts = out
    return parts, used


def world_words(drawings, rank):
    """Words the vocabulary must keep whole: of names, tags and templates those CLIP keeps whole."""
    manifest = json.loads((drawings / "manifest.json").read_text())
    names = [e["name"] for e in manifest] + concepts.TEMPLATES + concepts.PLAIN_WORDS
    names += json.loads((drawings / "words.json").read_text())
    words = {w for n in names for w in re.findall(r"[a-z]+", n)}
    return sorted(w for w in words if len(split_word(w, rank)[0]) == 1)


def reduce(merges, words):
    """(vocabulary in order of id, kept merges)."""
    rank = {m: i for i, m in enumerate(merges)}
    used = {m for w in words for m in split_word(w, rank)[1]}
    kept = [m for m in merges if m in used]
    letters = bytes_to_unicode()
    vocabulary = letters + [c + "</w>" for c in letters] + ["".join(m) for m in kept]
    return vocabulary + ["<|startoftext|>", "<|endoftext|>"], kept


def write_tokenizer(folder, vocabulary, merges):
    """vocab.json and merges.txt, then all that transformers writes beside them."""
    from transformers import CLIPTokenizerFast
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: i for i, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2"] + [" ".join(m) for m in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"),
                      model_max_length=77).save_pretrained(folder)


def check(folder, words, merges):
    """Both of transformers' tokenizers must agree with the full merges on every word."""
    from transformers import CLIPTokenizer, CLIPTokenizerFast
    rank = {m: i for i, m in enumerate(merges)}
    for kind in (CLIPTokenizer, CLIPTokenizerFast):
        tok = kind.from_pretrained(folder)
        for w in words:
            if tok.tokenize(w) != split_word(w, rank)[0]:
                raise SystemExit(f"{kind.__name__} splits {w!r} into {tok.tokenize(w)}")
        if tok.convert_tokens_to_ids("!") != 0 or tok.eos_token_id != len(tok) - 1:
            raise SystemExit(f"{kind.__name__}: wrong ids of '!' or of the end of text")
    for name in concepts.KNOWN + concepts.HELD_OUT:
        if len(split_word(name, rank)[0]) != 1:
            raise SystemExit(f"{name!r} is not one token")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--bpe", type=Path, required=True)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--out", type=Path, default=Path("data/clip-tiny"))
    a = ap.parse_args()
    merges = read_merges(a.bpe)
    rank = {m: i for i, m in enumerate(merges)}
    words = world_words(a.drawings, rank)
    vocabulary, kept = reduce(merges, words)
    write_tokenizer(a.out, vocabulary, kept)
    check(a.out, words, merges)
    print(f"{len(words)} words, {len(vocabulary)} entries")


if __name__ == "__main__":
    main()
