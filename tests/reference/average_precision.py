"""Random cases of found and true boxes with what pycocotools and VOC's development kit make of them.

    average_precision.py OUT.safetensors [CASES [SEED]]

The committed file: 60 cases, seed 1 (tests/reference/fixtures/average_precision.safetensors). `make check-long` makes
20,000 for the same test. VOC's rule is written out here after the kit's text: there is no official Python.
Ran with pycocotools 2.0.11, numpy 2.4.6, Python 3.11."""
import contextlib
import io
import json
import struct
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def draw(rng):
    """One class in a few pictures: boxes of all sizes, crowds, ties, near misses, more than 100 a picture."""
    pictures = int(rng.integers(1, 7))
    many = rng.random() < 0.03
    truths, found = [], []
    grid = rng.random() < 0.3  # whole numbers: overlaps on the limits
    for picture in range(pictures):
        n = int(rng.integers(0, 6))
        for _ in range(n):
            side = float(rng.choice([8, 20, 31, 32, 60, 96, 150]))
            box = [rng.uniform(0, 300), rng.uniform(0, 300), side * rng.uniform(0.6, 1.6), side * rng.uniform(0.6, 1.6)]
            if grid:
                box = [float(round(v)) for v in box]
            area = box[2] * box[3] * (rng.uniform(0.5, 1) if rng.random() < 0.5 else 1)
            if rng.random() < 0.1:
                area = float(rng.choice([1024, 9216]))
            truths.append((picture, box, area, int(rng.random() < 0.12), 0))
        for _ in range(int(rng.integers(90, 130)) if many else int(rng.integers(0, 9))):
            mine = [t for t in truths if t[0] == picture]
            if mine and rng.random() < 0.7:
                box = [float(v) for v in mine[rng.integers(len(mine))][1]]
                if rng.random() < 0.7:
                    box = [v + rng.normal() * s for v, s in zip(box, [4, 4, 3, 3])]
                box[2:] = [max(v, 0.5) for v in box[2:]]
            else:
                box = [rng.uniform(0, 300), rng.uniform(0, 300), rng.uniform(1, 120), rng.uniform(1, 120)]
            if grid:
                box = [float(round(v)) for v in box]
            score = round(rng.random(), 1) if rng.random() < 0.4 else float(np.float32(rng.random()))
            found.append((picture, score, box))
    order = rng.permutation(len(found))
    return truths, [found[i] for i in order]


def coco(truths, found):
    """pycocotools' twelve numbers; ids from 1, because it takes id 0 for "not matched"."""
    pictures = sorted({t[0] for t in truths} | {f[0] for f in found}) or [0]
    data = {"images": [{"id": p} for p in pictures], "categories": [{"id": 1}], "annotations": [
        {"id": i + 1, "image_id": t[0], "category_id": 1, "bbox": t[1], "area": t[2], "iscrowd": t[3]}
        for i, t in enumerate(truths)]}
    results = [{"image_id": f[0], "category_id": 1, "score": f[1], "bbox": f[2]} for f in found]
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = data
        gt.createIndex()
        if not results:  # loadRes refuses an empty list
            return None
        judged = COCOeval(gt, gt.loadRes(results), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return judged.stats


def voc(truths, found, eleven):
    """VOCevaldet of the kit: boxes with exclusive corners here, so without its + 1. Crowds stand for difficult ones."""
    wanted = sum(not t[3] for t in truths)
    if not wanted:
        return -1.0
    by_picture = {}
    for g, t in enumerate(truths):
        by_picture.setdefault(t[0], []).append(g)
    order = sorted(range(len(found)), key=lambda i: (-found[i][1], found[i][0], i))
    taken, tp, fp = set(), [], []
    for i in order:
        picture, _, b = found[i]
        best, at = -np.inf, -1
        for g in by_picture.get(picture, []):
            t = truths[g][1]
            w = min(b[0] + b[2], t[0] + t[2]) - max(b[0], t[0])
            h = min(b[1] + b[3], t[1] + t[3]) - max(b[1], t[1])
            o = w * h / (b[2] * b[3] + t[2] * t[3] - w * h) if w > 0 and h > 0 else 0.0
            if o > best:
                best, at = o, g
        if best >= 0.5:
            if truths[at][3]:
                tp.append(0), fp.append(0)
            else:
                tp.append(int(at not in taken)), fp.append(int(at in taken))
                taken.add(at)
        else:
            tp.append(0), fp.append(1)
    tp, fp = np.cumsum(tp), np.cumsum(fp)
    rec = tp / wanted
    prec = tp / np.maximum(tp + fp, 1)
    if eleven:
        return sum((prec[rec >= k / 10].max() if (rec >= k / 10).any() else 0) / 11 for k in range(11))
    mrec, mpre = np.concatenate([[0], rec, [1]]), np.concatenate([[0], prec, [0]])
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = max(mpre[i], mpre[i + 1])
    i = np.where(mrec[1:] != mrec[:-1])[0] + 1
    return float(((mrec[i] - mrec[i - 1]) * mpre[i]).sum())


def save(path, tensors):
    head, body = {}, b""
    for name, x in tensors.items():
        raw = np.ascontiguousarray(x).tobytes()
        head[name] = {"dtype": {"float64": "F64", "int64": "I64"}[str(x.dtype)], "shape": list(x.shape),
                      "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def main():
    cases, seed = (int(sys.argv[k]) if len(sys.argv) > k else d for k, d in ((2, 60), (3, 1)))
    rng = np.random.default_rng(seed)
    truths, found, expected, ends = [], [], [], []
    while len(ends) < cases:
        t, f = draw(rng)
        stats = coco(t, f)
        if stats is None:
            continue
        truths += [[p, *b, a, c] for p, b, a, c, _ in t]
        found += [[p, s, *b] for p, s, b in f]
        expected.append([*stats, voc(t, f, False), voc(t, f, True)])
        ends.append([len(truths), len(found)])
    save(sys.argv[1], {"truths": np.array(truths, np.float64).reshape(-1, 7),
                       "found": np.array(found, np.float64).reshape(-1, 6),
                       "expected": np.array(expected, np.float64), "ends": np.array(ends, np.int64)})


main()
