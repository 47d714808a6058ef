"""Make the shipped classification data set: a folder per concept, one large thing per picture.

    python tools/world/make_objects.py --out data/objects

Deterministic: the same drawings give the same files. Training pictures show the drawings of
some artists, test pictures those of another one (concepts.test_artist), so a word is judged on
drawings it never saw. Targets get 16 + 16 pictures, the other known concepts a few, as
distractors.
"""
import argparse
import shutil
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

import concepts
import scenes

SIDE = 80               # a little more than the 64 px that the embedded CLIP looks at
PER_TARGET = (16, 16)   # train, test
PER_KNOWN = (3, 2)
JPEG = dict(format="JPEG", quality=90, subsampling=0, optimize=True)


def write_pictures(bank, label, split, count, folder, seed):
    """Write `count` pictures of one concept; the key is the name, not its place in a list."""
    folder.mkdir(parents=True)
    for n in range(count):
        key = [seed, zlib.crc32(bank[label].name.encode()), split == "test", n]
        picture, _ = scenes.single(np.random.default_rng(key), bank, label, split, SIDE)
        Image.fromarray(picture).save(folder / f"{n:02d}.jpg", **JPEG)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--out", type=Path, default=Path("data/objects"))
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    bank = scenes.load_bank(a.drawings, roles=("known", "held_out"))
    targets = set(concepts.HELD_OUT) | set(concepts.TARGETS)
    start, total = time.perf_counter(), 0
    for i, split in enumerate(("train", "test")):
        shutil.rmtree(a.out / split, ignore_errors=True)
        for label, c in enumerate(bank):
            count = (PER_TARGET if c.name in targets else PER_KNOWN)[i]
            write_pictures(bank, label, split, count, a.out / split / c.name, a.seed)
            total += count
    for name, words in (("known", concepts.KNOWN), ("held_out", concepts.HELD_OUT)):
        (a.out / f"{name}.txt").write_text("\n".join(words) + "\n")
    spent = time.perf_counter() - start
    print(f"{total} pictures of {len(bank)} concepts in {spent:.1f} s ({total / spent:.0f}/s, files included)")


if __name__ == "__main__":
    main()
