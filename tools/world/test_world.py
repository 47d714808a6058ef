"""Quick tests of the generator, the split and the shipped files: python tools/world/test_world.py"""
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

import concepts
import licences
import make_objects
import make_scenes
import scenes
from words import Words

ROOT = Path(__file__).resolve().parents[2]
DRAWINGS, OBJECTS = ROOT / "data" / "drawings", ROOT / "data" / "objects"


class Generator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bank = scenes.load_bank(DRAWINGS, roles=("known",))

    def test_same_seed_same_picture(self):
        for style in (scenes.MILD, scenes.STRONG):
            a, b = (scenes.scene(np.random.default_rng(4), self.bank, [1, 2, 3], "train", 96, style=style)
                    for _ in range(2))
            for x, y in zip(a, b):
                np.testing.assert_array_equal(x, y)

    def test_boxes_are_tight(self):
        """With a plain white tile on black the box is what can be seen."""
        disc = np.zeros((64, 64, 4), np.float32)
        y, x = np.mgrid[:64, :64] - 31.5
        disc[(x / 31) ** 2 + (y / 20) ** 2 < 1] = 1
        for seed in range(20):
            img = np.zeros((96, 96, 3), np.float32)
            still = scenes.Style(colour=0.0)
            box = scenes.paste(np.random.default_rng(seed), img, [], [disc], 48, still)
            ys, xs = (img[..., 0] > 0.5).nonzero()
            self.assertEqual(box, (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1))

    def test_boxes_stay_inside_and_apart(self):
        for seed in range(50):
            _, boxes, _ = scenes.scene(np.random.default_rng(seed), self.bank, [0, 9, 40], "train", 96)
            self.assertTrue((boxes[:, :2] >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= 96).all())
            for i, (x, y, w, h) in enumerate(boxes):
                for u, v, p, q in boxes[:i]:
                    over = max(0, min(x + w, u + p) - max(x, u)) * max(0, min(y + h, v + q) - max(y, v))
                    self.assertLessEqual(over, 0.12 * min(w * h, p * q))


class Shipped(unittest.TestCase):
    def test_lists(self):
        self.assertEqual((OBJECTS / "known.txt").read_text().split(), concepts.KNOWN)
        self.assertEqual((OBJECTS / "held_out.txt").read_text().split(), concepts.HELD_OUT)
        self.assertFalse(set(concepts.KNOWN) & set(concepts.HELD_OUT))
        self.assertTrue(set(concepts.TARGETS) | set(concepts.ANCHORS) <= set(concepts.KNOWN))

    def test_split_by_artist(self):
        for e in json.loads((DRAWINGS / "manifest.json").read_text()):
            if e["role"] != "auxiliary":
                train = {concepts.ARTISTS[d] for d in e["drawings"] if d not in e["test"]}
                test = {concepts.ARTISTS[d] for d in e["test"]}
                self.assertTrue(train and len(test) == 1 and not train & test, e["name"])

    def test_nothing_held_out_was_trained(self):
        trained = [set((ROOT / "data" / folder / "trained_words.txt").read_text().split())
                   for folder in ("clip-tiny", "owlv2-tiny", "sd-tiny")]
        for words in trained:
            self.assertFalse(words & set(concepts.HELD_OUT))
        self.assertGreaterEqual(len(set.intersection(*trained)), 800)   # what T is fitted on
        aux = [c.name for c in scenes.load_bank(DRAWINGS, roles=("auxiliary",))]
        self.assertFalse({w for n in aux for w in n.split()} & set(concepts.HELD_OUT))

    def test_data_set_is_what_the_generator_makes(self):
        """One concept drawn again: equal up to the codec's rounding across versions."""
        from PIL import Image
        bank = scenes.load_bank(DRAWINGS, roles=("held_out",))
        with tempfile.TemporaryDirectory() as d:
            folder = Path(d) / "again"
            make_objects.write_pictures(bank, 0, "train", 2, folder, seed=1)
            for n in ("00.jpg", "01.jpg"):
                a, b = (np.asarray(Image.open(p / n)).astype(int)
                        for p in (folder, OBJECTS / "train" / bank[0].name))
                self.assertLess(np.abs(a - b).mean(), 2)

    def test_words_never_name_a_held_out_thing(self):
        table = json.loads((DRAWINGS / "words.json").read_text())
        bank = scenes.load_bank(DRAWINGS, roles=("known", "auxiliary"))
        words = Words(DRAWINGS, bank)       # asserts that no held-out concept or name is in it
        self.assertGreaterEqual(len(words.names), 800)
        self.assertEqual(words.names[:len(concepts.KNOWN)], concepts.KNOWN)
        self.assertTrue(words.true.any(0).all())
        banned = {h + s for h in concepts.HELD_OUT for s in ("", "s", "es")}
        self.assertFalse(banned & set(table))
        self.assertFalse(set(concepts.HELD_OUT) & {c for names in table.values() for c in names})

    def test_every_drawing_has_a_licence(self):
        licences.check(DRAWINGS)


class DataSets(unittest.TestCase):
    """scenes, scenes-voc, subjects: what make_scenes.py makes, with boxes and splits as promised."""

    @classmethod
    def setUpClass(cls):
        cls.source = make_scenes.Source(DRAWINGS)

    def manifest(self, folder):
        return json.loads((ROOT / "data" / folder / "manifest.json").read_text())

    def test_scene_of_a_seed(self):
        a, b = (self.source.scene([1, 2, 3], 130, "test", 3) for _ in range(2))
        np.testing.assert_array_equal(a[0], b[0])
        self.assertEqual(a[1], b[1])

    def test_training_and_test_pictures_share_no_drawing(self):
        for folder in ("scenes", "scenes-voc"):
            for name, things in self.manifest(folder).items():
                split = "test" if "test" in name.split("/")[-1] or name.startswith("test/") else "train"
                for concept, drawing in things:
                    self.assertEqual(concepts.is_test(concept, drawing), split == "test", name)
        for name, things in self.manifest("subjects").items():
            self.assertFalse(concepts.is_test(*things[0]), name)

    def test_a_subject_is_one_drawing(self):
        shown = {}
        for name, things in self.manifest("subjects").items():
            shown.setdefault(name.split("/")[0], []).append(tuple(things[0]))
        self.assertEqual(set(shown), set(concepts.HELD_OUT + concepts.TARGETS))
        for things in shown.values():
            self.assertTrue(len(set(things)) == 1 and 4 <= len(things) <= 6)

    def test_coco_files_agree_with_the_generator(self):
        from PIL import Image
        for split, count in make_scenes.COCO.items():
            root = ROOT / "data" / "scenes"
            truth = json.loads((root / "annotations" / f"instances_{split}.json").read_text())
            said = json.loads((root / "annotations" / f"captions_{split}.json").read_text())["annotations"]
            names = {c["id"]: c["name"] for c in truth["categories"]}
            made = list(make_scenes.pictures(self.source, "scenes", split, count))
            self.assertEqual(len(made), len(truth["images"]))
            for image, sentence, (name, picture, things) in zip(truth["images"], said, made):
                mine = [a for a in truth["annotations"] if a["image_id"] == image["id"]]
                self.assertEqual([(names[a["category_id"]], a["bbox"]) for a in mine],
                                 [(t["concept"], t["box"]) for t in things])
                self.assertEqual(sentence["caption"], make_scenes.caption(things))
                shipped = np.asarray(Image.open(root / split / image["file_name"])).astype(int)
                self.assertLess(np.abs(shipped - picture).mean(), 4)

    def test_voc_boxes_count_from_one(self):
        import xml.etree.ElementTree as tree
        root = ROOT / "data" / "scenes-voc"
        for split, count in make_scenes.VOC.items():
            listed = (root / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
            for stem, (_, _, things) in zip(listed, make_scenes.pictures(self.source, "scenes-voc", split, count),
                                            strict=True):
                rows = tree.parse(root / "Annotations" / f"{stem}.xml").findall("object")
                got = [(o.find("name").text, *(int(v.text) for v in o.find("bndbox"))) for o in rows]
                self.assertEqual(got, [(t["concept"], x + 1, y + 1, x + w, y + h)
                                       for t in things for x, y, w, h in [t["box"]]])

    def test_words_of_a_thing(self):
        red = np.full((96, 96, 3), (40, 90, 40), np.uint8)
        behind = red.copy()
        red[60:90, 5:25] = (200, 20, 20)
        self.assertEqual(make_scenes.seen(red, behind, (5, 60, 20, 30)),
                         dict(colour="red", size="small", place="on the left"))


if __name__ == "__main__":
    unittest.main()
