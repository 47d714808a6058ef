"""How fast a user's files are read: viswords beside the reference implementations, one after the other in one run.

    python tools/bench/inputs.py VISWORDS MODEL_DIR PICTURES_FOLDER [--texts FILE] [--seconds 3] [--json FILE]

One thread each. load: `safetensors` reading every tensor into memory of its own, and into fp32 modules as from_pretrained
does. tokenizer: Rust `tokenizers`, one text at a time and in batches. preprocess: Pillow alone, and transformers'
CLIPImageProcessor. Needs torch, transformers, tokenizers, safetensors, Pillow.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import torch
import transformers
from PIL import Image
from safetensors import safe_open

ROOT = pathlib.Path(__file__).parents[2]


def median(call, seconds):
    call()
    times, start = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def made_up_texts():
    """20,000 captions and sentences: known and unknown words, capitals, numbers, punctuation, other scripts."""
    words = (ROOT / "data" / "clip-tiny" / "trained_words.txt").read_text().split()
    forms = ["a photo of a {} and a {}", "The {}'s {} -- seen in 2024, isn't it?", "{} {} antidisestablishmentarianism",
             "un {} pr\u00e8s d'un {} caf\u00e9", "\u4e00\u5f20{}\u7684\u7167\u7247 {}", "{} {} \U0001f98a!!! #tag @user"]
    pairs = zip(itertools.cycle(forms), itertools.cycle(words), itertools.cycle(words[7::3]))
    return [form.format(a, b) for form, a, b in itertools.islice(pairs, 20000)]


def load(args):
    files = sorted(args.model.glob("*.safetensors"))
    size = sum(f.stat().st_size for f in files) * 1e-6

    def tensors():
        for f in files:
            with safe_open(f, "pt") as opened:
                for name in opened.keys():
                    opened.get_tensor(name).clone()

    def modules():
        transformers.CLIPModel.from_pretrained(args.model, torch_dtype=torch.float32)

    yield "safetensors, every tensor copied", size / median(tensors, args.seconds), "MB"
    yield "CLIPModel.from_pretrained, fp32", size / median(modules, args.seconds), "MB"


def tokenizer(args, texts):
    fast = transformers.AutoTokenizer.from_pretrained(args.model, use_fast=True).backend_tokenizer
    yield "tokenizers, one at a time", len(texts) / median(lambda: [fast.encode(t) for t in texts], args.seconds), "text"
    yield "tokenizers, encode_batch", len(texts) / median(lambda: fast.encode_batch(texts), args.seconds), "text"
    if hasattr(fast, "encode_batch_fast"):
        yield "tokenizers, encode_batch_fast", len(texts) / median(lambda: fast.encode_batch_fast(texts), args.seconds), "text"


def preprocess(args):
    processor = transformers.CLIPImageProcessor.from_pretrained(args.model)
    files = [p for p in sorted(args.pictures.rglob("*")) if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    edge = processor.size["shortest_edge"]

    def decode():
        return [Image.open(f).convert("RGB").load() for f in files]

    def pillow():
        for f in files:
            image = Image.open(f).convert("RGB")
            scale = edge / min(image.size)
            image.resize((max(edge, int(image.width * scale)), max(edge, int(image.height * scale))), Image.BICUBIC)

    def full():
        for f in files:
            processor(Image.open(f).convert("RGB"), return_tensors="np")

    yield "Pillow: decode", len(files) / median(decode, args.seconds), "picture"
    yield "Pillow: decode, resize", len(files) / median(pillow, args.seconds), "picture"
    yield "CLIPImageProcessor", len(files) / median(full, args.seconds), "picture"


def ours(args, what, *data):
    run = [args.viswords, "bench", what, args.model, *data, "--seconds", args.seconds, "--threads", 1, "--json"]
    out = json.loads(subprocess.run([str(x) for x in run], check=True, capture_output=True, text=True).stdout)
    for row in out["rows"]:
        yield "viswords: " + row["what"], row["rate"], row["unit"]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("viswords", type=pathlib.Path)
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("pictures", type=pathlib.Path)
    p.add_argument("--texts", type=pathlib.Path, help="one a line; default: 20,000 made up")
    p.add_argument("--seconds", type=float, default=3, help="for each row")
    p.add_argument("--json", type=pathlib.Path)
    args = p.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    texts = args.texts.read_text().splitlines() if args.texts else made_up_texts()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(texts) + "\n")
        file.flush()
        parts = {"load": [ours(args, "load"), load(args)],
                 "tokenizer": [ours(args, "tokenizer", file.name), tokenizer(args, texts)],
                 "preprocess": [ours(args, "preprocess", args.pictures), preprocess(args)]}
        rows = []
        for part, sides in parts.items():
            print(part)
            for what, rate, unit in itertools.chain(*sides):
                print(f"  {what:44s} {rate:12.1f} {unit}/s", flush=True)
                rows.append({"part": part, "what": what, "rate": rate, "unit": unit})
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
