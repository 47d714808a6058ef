"""Make the shipped data sets with more than one thing a picture, and the one of few pictures a subject.

    python tools/world/make_scenes.py --out data

  scenes/       COCO: {train,test}/*.jpg, annotations/{instances,captions}_{train,test}.json
  scenes-voc/   Pascal VOC: JPEGImages, Annotations, ImageSets/Main/{train,test}.txt
  subjects/     as the DreamBooth data: a folder a subject, 5 pictures of one and the same drawing
Each has a manifest.json: which drawings each picture shows. Deterministic; training pictures show the
drawings of some artists, test pictures those of another one (concepts.test_artist). Boxes are exact,
captions say what can be read off the picture: colour, size and place of each thing.
"""
import argparse
import json
import shutil
import time
import zlib
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
from PIL import Image

import concepts
import licences
import scenes

SIDE = 96
SUBJECT_SIDE = 80
COCO = dict(train=6, test=4)        # pictures a target; further things in them are known ones
VOC = dict(train=2, test=2)
SUBJECT = 5
JPEG = dict(format="JPEG", quality=88, subsampling=0, optimize=True)


class Source:
    """The drawings with their names, and pictures of chosen ones."""

    def __init__(self, drawings):
        self.bank = scenes.load_bank(drawings, roles=("known", "held_out"))
        self.place = {c.name: i for i, c in enumerate(self.bank)}
        entries = {e["name"]: e for e in json.loads((drawings / "manifest.json").read_text())}
        self.names = [{split: [d for d in entries[c.name]["drawings"]
                               if (d in entries[c.name]["test"]) == (split == "test")]
                       for split in ("train", "test")} for c in self.bank]
        self.known = [self.place[k] for k in concepts.KNOWN]

    def only(self, label, split, n):
        """The concept with its n-th drawing of a split alone."""
        c = self.bank[label]
        return replace(c, **{split: [getattr(c, split)[n]]})

    def scene(self, key, target, split, count):
        """(picture, things): a picture of `target` and count - 1 known things, in the order pasted.

        A thing is a dict of concept, drawing, box (x, y, w, h in pixels), colour, size, place.
        """
        r = np.random.default_rng(key)
        others = r.choice([k for k in self.known if k != target], count - 1, replace=False)
        labels = [target, *map(int, others)]
        picked = [int(r.integers(len(self.names[i][split]))) for i in labels]
        bank = [self.only(i, split, n) for i, n in zip(labels, picked)]
        seed = [*key, 1]
        picture, boxes, placed = scenes.scene(np.random.default_rng(seed), bank, range(count), split, SIDE)
        again = np.random.default_rng(seed)
        behind = scenes.background(again, SIDE, again.random() < scenes.MILD.wild)
        behind = np.clip(behind * 255 + 0.5, 0, 255).astype(np.uint8)
        return picture, [dict(concept=self.bank[labels[i]].name, drawing=self.names[labels[i]][split][picked[i]],
                              box=[int(v) for v in box], **seen(picture, behind, box))
                         for i, box in zip(placed, boxes)]


def seen(picture, behind, box):
    """Colour, size and place of the thing in a box, in words; `behind` is the bare background."""
    x, y, w, h = box
    part = picture[y:y + h, x:x + w]
    mine = np.abs(part.astype(int) - behind[y:y + h, x:x + w]).sum(2) > 30
    side = max(w, h) / SIDE
    dx, dy = (x + w / 2) / SIDE - 0.5, (y + h / 2) / SIDE - 0.5
    place = "in the middle"
    if max(abs(dx), abs(dy)) > 0.12:
        across = abs(dx) >= abs(dy)
        place = ("on the right" if dx > 0 else "on the left") if across else \
                ("at the bottom" if dy > 0 else "at the top")
    return dict(colour=main_colour(part[mine]), place=place,
                size="small" if side < 0.38 else "big" if side > 0.52 else "")


def main_colour(pixels):
    """The most frequent colour name of pixels (n, 3)."""
    hsv = cv2.cvtColor(pixels[None].copy(), cv2.COLOR_RGB2HSV)[0].astype(int)
    hue, saturation, value = hsv[:, 0] * 2, hsv[:, 1], hsv[:, 2]
    bounds = [18, 42, 60, 165, 255, 290, 340, 361]
    names = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "red"]
    colour = np.array(names, dtype=object)[np.searchsorted(bounds, hue, side="right")]
    colour[(hue < 45) & (value < 150)] = "brown"
    colour[(hue < 18) & (saturation < 120) & (value > 190)] = "pink"
    grey = saturation < 50
    colour[grey] = "grey"
    colour[grey & (value > 205)] = "white"
    colour[value < 55] = "black"
    found, counts = np.unique(colour.astype(str), return_counts=True)
    return str(found[counts.argmax()])


def caption(things):
    """One sentence, the things in the order pasted."""
    parts = []
    for t in things:
        words = [w for w in (t["size"], t["colour"], t["concept"]) if w]
        parts.append(f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)} {t['place']}")
    return " and ".join(parts)


def pictures(source, kind, split, per_target):
    """Yield (name, picture, things) of one data set and split."""
    for name in concepts.HELD_OUT + concepts.TARGETS:
        for n in range(per_target):
            key = [zlib.crc32(kind.encode()), zlib.crc32(name.encode()), split == "test", n]
            yield (f"{name}-{n:02d}", *source.scene(key, source.place[name], split, 1 + n % 3))


def categories():
    return {name: i + 1 for i, name in enumerate(sorted(concepts.KNOWN + concepts.HELD_OUT))}


def write_coco(source, out):
    """COCO's layout, a file of boxes and one of captions a split."""
    (out / "annotations").mkdir(parents=True)
    manifest, number, total = {}, categories(), 0
    for at, (split, count) in enumerate(COCO.items()):
        (out / split).mkdir()
        images, boxes, captions = [], [], []
        for n, (name, picture, things) in enumerate(pictures(source, "scenes", split, count)):
            i = (at + 1) * 100_000 + n
            Image.fromarray(picture).save(out / split / f"{name}.jpg", **JPEG)
            images.append(dict(id=i, file_name=f"{name}.jpg", width=SIDE, height=SIDE))
            captions.append(dict(id=i, image_id=i, caption=caption(things)))
            boxes += [dict(id=i * 10 + k, image_id=i, category_id=number[t["concept"]], bbox=t["box"],
                           area=t["box"][2] * t["box"][3], iscrowd=0) for k, t in enumerate(things)]
            manifest[f"{split}/{name}.jpg"] = [[t["concept"], t["drawing"]] for t in things]
            total += 1
        names = [dict(id=i, name=name) for name, i in number.items()]
        for what, rows in (("instances", boxes), ("captions", captions)):
            write_json(out / "annotations" / f"{what}_{split}.json",
                       dict(images=images, annotations=rows, **(dict(categories=names) if what == "instances" else {})))
    write_manifest(out, manifest)
    return total


def write_voc(source, out):
    """Pascal VOC's layout; its boxes count pixels from 1 and include the last one."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (out / folder).mkdir(parents=True)
    manifest, total = {}, 0
    for split, count in VOC.items():
        listed = []
        for name, picture, things in pictures(source, "scenes-voc", split, count):
            name = f"{split}-{name}"
            Image.fromarray(picture).save(out / "JPEGImages" / f"{name}.jpg", **JPEG)
            rows = "".join(
                f"  <object>\n    <name>{escape(t['concept'])}</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n"
                f"    <difficult>0</difficult>\n    <bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
                f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox>\n  </object>\n"
                for t in things for x, y, w, h in [t["box"]])
            (out / "Annotations" / f"{name}.xml").write_text(
                f"<annotation>\n  <folder>scenes-voc</folder>\n  <filename>{name}.jpg</filename>\n"
                f"  <size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>\n"
                f"  <segmented>0</segmented>\n{rows}</annotation>\n")
            listed.append(name)
            manifest[f"JPEGImages/{name}.jpg"] = [[t["concept"], t["drawing"]] for t in things]
        (out / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(listed) + "\n")
        total += len(listed)
    write_manifest(out, manifest)
    return total


def write_subjects(source, out):
    """A folder a subject: one training drawing in five poses, each time before another background."""
    manifest, lines = {}, []
    for name in concepts.HELD_OUT + concepts.TARGETS:
        (out / name).mkdir(parents=True)
        label = source.place[name]
        drawing = zlib.crc32(name.encode()) % len(source.names[label]["train"])
        bank = [source.only(label, "train", drawing)]
        for n in range(SUBJECT):
            r = np.random.default_rng([zlib.crc32(b"subjects"), zlib.crc32(name.encode()), n])
            picture, _ = scenes.single(r, bank, 0, "train", SUBJECT_SIDE)
            Image.fromarray(picture).save(out / name / f"{n:02d}.jpg", **JPEG)
            manifest[f"{name}/{n:02d}.jpg"] = [[name, source.names[label]["train"][drawing]]]
        lines.append(f"{name},{name}")
    (out / "prompts_and_classes.txt").write_text("Classes\nsubject_name,class\n" + "\n".join(lines) + "\n")
    write_manifest(out, manifest)
    return len(manifest)


def write_json(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")


def write_manifest(out, manifest):
    """A line a picture: the concept and the drawing of each thing in it."""
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in manifest.items())
    (out / "manifest.json").write_text("{\n" + lines + "\n}\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--out", type=Path, default=Path("data"))
    a = ap.parse_args()
    licences.check(a.drawings)
    source = Source(a.drawings)
    for name, write in (("scenes", write_coco), ("scenes-voc", write_voc), ("subjects", write_subjects)):
        start = time.perf_counter()
        shutil.rmtree(a.out / name, ignore_errors=True)
        total = write(source, a.out / name)
        spent = time.perf_counter() - start
        print(f"{name}: {total} pictures in {spent:.1f} s ({total / spent:.0f}/s, files included)")


if __name__ == "__main__":
    main()
