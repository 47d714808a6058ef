"""Random directories with added tokens, and what transformers makes of texts with them.

    python tests/reference/tokenizer_added.py make OUT.json [COUNT [SEED]]     with transformers 5
    python tests/reference/tokenizer_added.py compare OUT.json                 with transformers 4: adds "ids_4" where it differs

A case: `base` (a tokenizer of data/), `files` (JSON files put over it; null: taken away; of tokenizer.json only its
`added_tokens`), `texts`, and `ids` (null: transformers refuses the directory). tests/io/test_tokenizer_added.c reads
tests/reference/fixtures/tokenizer_added.json, made so:

    make tests/reference/fixtures/tokenizer_added.json 60 2027

with transformers 5.24.0, tokenizers 0.23.3; compared with transformers 4.57.6, tokenizers 0.22.2.
"""

import json
import pathlib
import random
import sys
import tempfile

import transformers
from transformers import CLIPTokenizer

try:
    from transformers import CLIPTokenizerFast
except ImportError:
    CLIPTokenizerFast = CLIPTokenizer

DATA = pathlib.Path(__file__).parents[2] / "data"
BASES = ["clip-tiny", "judge-tiny", "owlv2-tiny", "sd-tiny/tokenizer"]
FLAGS = ["single_word", "lstrip", "rstrip", "normalized", "special"]
CONTENTS = [
    "<toy>", "<Toy-2>", "<cat-toy>", "cat", "Cat", "CAT", "photo", "at", "<a b>", "my  Cat", "<x>\u00e9", "Caf\u00e9",
    "Cafe\u0301", "\u00e4pfel", "A\u0308pfel", "\u0130x", "\u03a3\u03a3", "\u24b6", "_", "a_b", "\u3000w", "w\u00a0",
    "\u212bng", "!", "!!", "the", "fox", "of a", "#", "\u72d0", "<|start|>", "<pad>", "'s", "1", "12", "\ufb01sh", "-",
    "<t\tq>", "\u0301", "x\u0301", "K", "\u212a", " lead", "trail ", "\U0001f98a", "\u1e9e", "\u0e2a", "\u0915\u093f", "<TOY>",
]
BETWEEN = ["", " ", "  ", "\t", "\u00a0", "\u3000", "s", "S", "_", "-", ".", "1", "\u00e9", "\u0301", "\u200d", "\u24d0", "\u203f", "!",
           "\u0915\u093f", "\u00b2", "'s", "\u1680", "\u0660", "\x1c", "\x85", "a", " a ", " photo of a ", "\u2160", "\u20dd", "\U0001f130"]


def vary(rng, text):
    """The text as it may be met: other case, decomposed, other white space."""
    import unicodedata

    way = rng.randrange(7)
    if way == 1:
        return text.upper()
    if way == 2:
        return text.lower()
    if way == 3:
        return unicodedata.normalize("NFD", text)
    if way == 4:
        return unicodedata.normalize("NFC", text)
    if way == 5:
        return text.replace(" ", rng.choice(["  ", "\t", "\u00a0"]))
    return text


def make_token(rng, text):
    token = {"content": text}
    for flag in FLAGS:
        if rng.random() < 0.85:
            token[flag] = rng.random() < (0.5 if flag == "normalized" else 0.3)
    return token


def make_case(rng):
    base = rng.choice(BASES)
    size = len(json.load(open(DATA / base / "vocab.json")))
    contents = rng.sample(CONTENTS, rng.randint(1, 5))
    config = json.load(open(DATA / base / "tokenizer_config.json"))
    decoder = config.pop("added_tokens_decoder")
    with_ids = {int(k): v for k, v in decoder.items()}
    at = size
    for text in contents:
        with_ids[at] = make_token(rng, text)
        at += 1 if rng.random() < 0.9 else 7
    files = {"tokenizer_config.json": config, "special_tokens_map.json": None, "added_tokens.json": None, "tokenizer.json": None}
    full = lambda t: {**dict.fromkeys(FLAGS, False), "normalized": not t.get("special", False), **t}
    way = rng.randrange(6)
    if way in (0, 4):  # 4.x: the configuration has them all
        config["added_tokens_decoder"] = {str(k): v for k, v in with_ids.items()}
    if way in (1, 4):  # 5.x: tokenizer.json alone (4: it has others, which do not count)
        listed = with_ids if way == 1 else {k: v for k, v in with_ids.items() if k < size}
        files["tokenizer.json"] = {"added_tokens": [{"id": k, **full(v)} for k, v in sorted(listed.items())]}
    if way == 2:  # old: a map of special tokens, added_tokens.json
        for role in ("bos_token", "eos_token", "unk_token", "pad_token"):
            if config.get(role) is not None and rng.random() < 0.5:
                found = next((v for v in with_ids.values() if v["content"] == config[role]), make_token(rng, config[role]))
                config[role] = {"__type": "AddedToken", **full(found)}
        files["added_tokens.json"] = {v["content"]: k for k, v in with_ids.items() if k >= size}
    if way == 3:
        files["special_tokens_map.json"] = {
            role: {k: v for k, v in full(make_token(rng, config[role])).items() if k != "special"}
            for role in ("bos_token", "eos_token", "unk_token")}
        files["special_tokens_map.json"]["pad_token"] = config["pad_token"] if rng.random() < 0.7 else contents[0]
        files["special_tokens_map.json"]["additional_special_tokens"] = contents[1:]
        if contents[2:]:
            files["added_tokens.json"] = {text: size + i for i, text in enumerate(contents[2:])}
    if way == 5:  # both: tokenizer.json's tokens, and roles as text
        files["tokenizer.json"] = {"added_tokens": [{"id": k, **full(v)} for k, v in sorted(with_ids.items()) if k >= size]}
        config["pad_token"] = rng.choice(["!", "<|endoftext|>", contents[0]])
    texts = []
    for _ in range(8):
        text = ""
        for _ in range(rng.randint(1, 5)):
            text += rng.choice(BETWEEN) + vary(rng, rng.choice(contents + ["<|endoftext|>"] if rng.random() < 0.1 else contents))
        texts.append(text + rng.choice(BETWEEN))
    return {"base": base, "files": files, "texts": texts}


def ids_of(case, folder):
    """Ids of all texts without start and end; None where the directory is refused."""
    source = DATA / case["base"]
    for name in ("vocab.json", "merges.txt"):
        (folder / name).write_bytes((source / name).read_bytes())
    for name, content in case["files"].items():
        if content is None:
            (folder / name).unlink(missing_ok=True)
            continue
        if name == "tokenizer.json":
            content = {**json.load(open(source.parent / source.name / name if (source / name).exists() else DATA / "clip-tiny" / name)),
                       **content}
        (folder / name).write_text(json.dumps(content))
    try:
        tokenizer = CLIPTokenizerFast.from_pretrained(folder)
        return [tokenizer(t, add_special_tokens=False).input_ids for t in case["texts"]]
    except Exception as error:
        case["why"] = f"{type(error).__name__}: {error}"[:120]
        return None


def main(what, path, count=150, seed=2027):
    path = pathlib.Path(path)
    if what == "make":
        rng = random.Random(int(seed))
        cases = [make_case(rng) for _ in range(int(count))]
    else:
        cases = json.load(open(path))["cases"]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            ids = ids_of(case, pathlib.Path(folder))
            again = ids_of(case, pathlib.Path(folder))
        if what == "make":
            case["ids"] = ids if ids == again else "chance"
        elif ids != case["ids"]:
            case["ids_4"] = ids
    rows = ",\n".join(json.dumps(c, separators=(",", ":"), ensure_ascii=True) for c in cases)
    path.write_text('{"made_with": "transformers 5.24.0, compared with 4.57.6", "cases": [\n' + rows + "\n]}\n")
    print(transformers.__version__, len(cases), "cases,", sum("ids_4" in c for c in cases), "differ in 4")


if __name__ == "__main__":
    main(*sys.argv[1:])
