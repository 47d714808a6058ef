"""Pictures of the embedded world: drawings pasted on procedural backgrounds.

One generator feeds the training, the shipped data set and the judging. A picture follows from
its random generator alone, so a seed names it. Boxes are exact: the bounding box of what was
pasted with alpha > 0.5.

    bank = load_bank("data/drawings")
    picture, boxes, labels = scene(np.random.default_rng(7), bank, [3, 5], "train", size=96)

`python tools/world/scenes.py` writes a contact sheet and prints the speed.
"""
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

cv2.setNumThreads(1)

MIP_SCALES = (1.0, 0.7, 0.45)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass
class Style:
    """How freely a drawing is changed. MILD is what pictures look like, STRONG trains."""
    rotation: float = 25.0      # degrees either way
    aspect: float = 0.04        # log standard deviation
    shear: float = 0.0
    elastic: float = 0.0        # displacement of the control points, in parts of the size
    colour: float = 0.3         # scale of the hue, saturation and contrast changes
    grey: float = 0.0           # the rest are probabilities
    outline: float = 0.0
    ink: float = 0.0
    shade: float = 0.0
    erase: float = 0.0
    blur: float = 0.0
    wild: float = 0.0           # background


MILD = Style()
STRONG = Style(aspect=0.12, shear=0.1, elastic=0.05, colour=1.0, grey=0.08, outline=0.25,
               ink=0.15, shade=0.35, erase=0.15, blur=0.1, wild=0.4)


@dataclass
class Concept:
    """A name and its drawings as premultiplied float RGBA, each in a few sizes."""
    name: str
    role: str      # known, held_out or auxiliary
    train: list
    test: list


def mipmaps(tile):
    """The tile (uint8 RGBA) premultiplied, in falling sizes, so that shrinking stays clean."""
    t = tile.astype(np.float32) / 255
    t[..., :3] *= t[..., 3:]
    side = t.shape[0]
    sizes = [max(12, round(side * s)) for s in MIP_SCALES]
    return [t if n == side else cv2.resize(t, (n, n), interpolation=cv2.INTER_AREA) for n in sizes]


def kept_for_judging(entry, drawing):
    """Whether the manifest keeps `drawing` of a concept from training."""
    return drawing in entry["test"]


def load_bank(folder, roles=("known", "held_out", "auxiliary"), is_test=kept_for_judging):
    """Read the sheets named by manifest.json; concepts come in the manifest's order.

    is_test(entry, drawing) tells which drawings go to `test`; the others go to `train`.
    """
    folder = Path(folder)
    sheets, bank = {}, []
    for e in json.loads((folder / "manifest.json").read_text()):
        if e["role"] not in roles:
            continue
        if e["sheet"] not in sheets:
            sheets[e["sheet"]] = np.asarray(Image.open(folder / e["sheet"]).convert("RGBA"))
        n, y = e["tile"], e["row"] * e["tile"]
        c = Concept(e["name"], e["role"], [], [])
        for i, drawing in enumerate(e["drawings"]):
            tile = mipmaps(sheets[e["sheet"]][y:y + n, i * n:(i + 1) * n])
            (c.test if is_test(e, drawing) else c.train).append(tile)
        bank.append(c)
    return bank


def background(r, size, wild):
    """Smooth colour noise: calm as in the shipped pictures, or wild (loud, grainy) to train on."""
    k = int(r.integers(2, 7) if wild else r.integers(2, 5))
    noise = r.random((k, k, 3), dtype=np.float32)
    grey = noise.mean(2, keepdims=True)
    noise = grey + (noise - grey) * np.float32(r.random() if wild else 0.6)
    if not wild:
        noise = noise * np.float32(0.35) + np.float32(r.uniform(0.1, 0.6))
    b = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC if k < 5 else cv2.INTER_LINEAR)
    if wild and r.random() < 0.3:
        b = b + r.standard_normal((size, size, 1), dtype=np.float32) * np.float32(0.1 * r.random())
    return np.clip(b, 0, 1)


def colour_change(r, style):
    """A 3 x 3 matrix and an offset: rotate the hue, change saturation, contrast, brightness."""
    s = style.colour
    angle = r.standard_normal() * 0.35 * s
    k, q = (1 - np.cos(angle)) / 3, np.sqrt(1 / 3) * np.sin(angle)
    c = np.cos(angle)
    hue = np.array([[c + k, k - q, k + q], [k + q, c + k, k - q], [k - q, k + q, c + k]])
    saturation = 0.0 if r.random() < style.grey else np.exp(r.standard_normal() * 0.3 * s)
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    contrast = np.exp(r.standard_normal() * 0.2 * s)
    offset = (1 - contrast) * 0.5 + r.standard_normal() * 0.08 * s + r.standard_normal(3) * 0.04 * s
    return (mix @ hue * contrast).astype(np.float32), offset.astype(np.float32)


def pose(r, tile, size, style):
    """Rotate, flip, shear and bend a tile so that it becomes about `size` pixels wide."""
    a = np.deg2rad(r.uniform(-style.rotation, style.rotation))
    stretch = np.exp(r.standard_normal() * style.aspect)
    shear = r.standard_normal() * style.shear
    flip = -1.0 if r.random() < 0.5 else 1.0
    n = tile.shape[0]
    scale = size / n
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    m = turn @ np.array([[flip * stretch * scale, shear * scale], [0, scale / stretch]])
    corners = m @ np.array([[-1, 1, -1, 1], [-1, -1, 1, 1]]) * n / 2
    side = int(np.ceil(2 * np.abs(corners).max())) + 2
    if not style.elastic:
        centred = np.array([side / 2, side / 2]) - m @ np.array([n / 2, n / 2])
        return cv2.warpAffine(tile, np.concatenate([m, centred[:, None]], 1), (side, side))
    inverse = np.linalg.inv(m)
    g = np.arange(side, dtype=np.float32) - side / 2
    bend = r.standard_normal((4, 4, 2)).astype(np.float32) * np.float32(style.elastic * n)
    bend = cv2.resize(bend, (side, side), interpolation=cv2.INTER_CUBIC)
    x = inverse[0, 0] * g[None, :] + inverse[0, 1] * g[:, None] + (n - 1) / 2 + bend[..., 0]
    y = inverse[1, 0] * g[None, :] + inverse[1, 1] * g[:, None] + (n - 1) / 2 + bend[..., 1]
    return cv2.remap(tile, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)


def crop_to_solid(tile):
    """The part of a tile with alpha > 0.5, or None where nothing is that solid."""
    solid = tile[..., 3] > 0.5
    rows, cols = solid.any(1).nonzero()[0], solid.any(0).nonzero()[0]
    if not len(rows):
        return None
    return tile[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]


def redraw(r, t, style):
    """Imitate what artists do differently: contours, ink on inner edges, shading.

    `t` is premultiplied RGBA and gets changed; the visible outline stays inside its box.
    """
    h, w = t.shape[:2]
    if r.random() < style.outline:
        inner = cv2.erode(t[..., 3], np.ones((3, 3), np.uint8), borderValue=0)
        ring = np.clip(t[..., 3] - inner, 0, 1)[..., None] * np.float32(r.uniform(0.5, 1))
        tint = np.float32(0.1 if r.random() < 0.75 else 0.95)
        t[..., :3] = t[..., :3] * (1 - ring) + tint * ring * t[..., 3:]
    if r.random() < style.ink:
        luma = t[..., :3] @ LUMA
        edge = np.abs(cv2.Sobel(luma, -1, 1, 0)) + np.abs(cv2.Sobel(luma, -1, 0, 1))
        t[..., :3] *= 1 - np.clip(edge * 0.7 - 0.2, 0, 0.9)[..., None]
    if r.random() < style.shade:
        light = cv2.resize(r.standard_normal((2, 2)).astype(np.float32), (w, h)) * 0.2
        t[..., :3] += light[..., None] * t[..., 3:]
    if r.random() < style.erase:
        eh, ew = int(h * r.uniform(0.15, 0.4)), int(w * r.uniform(0.15, 0.4))
        y, x = int(r.integers(0, h - eh + 1)), int(r.integers(0, w - ew + 1))
        t[y:y + eh, x:x + ew] = 0
    return t


def find_place(r, taken, h, w, size):
    """A corner where a box of h x w covers little of the boxes taken; None after 12 tries."""
    for _ in range(12):
        x, y = int(r.integers(0, size - w + 1)), int(r.integers(0, size - h + 1))
        if all(max(0, min(x + w, u + p) - max(x, u)) * max(0, min(y + h, v + q) - max(y, v))
               <= 0.12 * min(w * h, p * q) for u, v, p, q in taken):
            return x, y
    return None


def paste(r, img, taken, mips, width, style):
    """Paste one drawing about `width` pixels wide; return its box (x, y, w, h) or None."""
    tile = min(mips, key=lambda t: abs(np.log(t.shape[0] / width)))
    t = crop_to_solid(pose(r, tile, width, style))
    size = img.shape[0]
    if t is None or max(t.shape[:2]) > size:
        return None
    h, w = t.shape[:2]
    place = find_place(r, taken, h, w, size)
    if place is None:
        return None
    t = redraw(r, t.copy(), style)
    matrix, offset = colour_change(r, style)
    alpha = t[..., 3:]
    rgb = np.clip(t[..., :3] @ matrix.T + offset * alpha, 0, alpha)
    x, y = place
    patch = img[y:y + h, x:x + w]
    patch *= 1 - alpha
    patch += rgb
    taken.append((x, y, w, h))
    return taken[-1]


def scene(r, bank, labels, split, size, lo=0.28, hi=0.6, style=MILD):
    """A picture with one drawing of each concept in `labels`, each lo..hi of the side wide.

    Returns the picture (uint8, size x size x 3), boxes (n, 4) as x, y, w, h in pixels, and the
    labels of those that found room, in the order pasted.
    """
    img = background(r, size, r.random() < style.wild)
    taken, placed = [], []
    for label in labels:
        drawings = getattr(bank[label], split)
        mips = drawings[int(r.integers(len(drawings)))]
        for shrink in (1, 0.8, 0.64):
            if paste(r, img, taken, mips, size * r.uniform(lo, hi) * shrink, style):
                placed.append(label)
                break
    if r.random() < style.blur:
        img = cv2.GaussianBlur(img, (3, 3), 0)
    img = np.clip(img * 255 + 0.5, 0, 255).astype(np.uint8)
    return img, np.array(taken, np.int64).reshape(-1, 4), np.array(placed, np.int64)


def single(r, bank, label, split, size, style=MILD, lo=0.6, hi=0.95):
    """A picture of one large thing, as the classification data set has."""
    while True:
        img, boxes, placed = scene(r, bank, [label], split, size, lo, hi, style)
        if len(placed):
            return img, boxes[0]


def contact_sheet(bank, path, size=64, columns=16):
    """Eight rows: four as trained, four as judged, of the same concepts."""
    import time
    rows = []
    for row in range(8):
        style, split = (STRONG, "train") if row < 4 else (MILD, "test")
        known = [i for i, c in enumerate(bank) if getattr(c, split)]
        pics = [single(np.random.default_rng([row, i]), bank, known[i * 7 % len(known)], split,
                       size, style)[0] for i in range(columns)]
        rows.append(np.concatenate(pics, 1))
    Image.fromarray(np.concatenate(rows)).save(path)
    r = np.random.default_rng(0)
    core = [i for i, c in enumerate(bank) if c.role == "known"]
    for what, make in (
            ("single, as judged", lambda i: single(r, bank, core[i % len(core)], "test", size)),
            ("single, as trained", lambda i: single(r, bank, core[i % len(core)], "train", size, STRONG)),
            ("1-3 things at 96 px", lambda i: scene(r, bank, r.choice(core, 1 + i % 3), "train", 96))):
        t = time.perf_counter()
        for i in range(400):
            make(i)
        print(f"{what}: {400 / (time.perf_counter() - t):.0f} pictures/s")


if __name__ == "__main__":
    import sys
    contact_sheet(load_bank(sys.argv[1] if len(sys.argv) > 1 else "data/drawings"),
                  sys.argv[2] if len(sys.argv) > 2 else "contact-sheet.png")
