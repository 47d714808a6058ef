"""Quick tests of the generator, the split and the shipped files: python tools/world/test_world.py"""
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

import concepts
import make_objects
import scenes

ROOT = Path(__file__).resolve().parents[2]
DRAWINGS, OBJECTS, CLIP = (ROOT / "data" / d for d in ("drawings", "objects", "clip-tiny"))


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
        trained = (CLIP / "trained_words.txt").read_text().split()
        self.assertFalse(set(trained) & set(concepts.HELD_OUT))
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


if __name__ == "__main__":
    unittest.main()
