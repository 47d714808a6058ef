"""Quick tests of the embedded Stable Diffusion's parts: python tools/world/test_diffusion.py"""
import argparse
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import torch
from diffusers import DDIMScheduler

import concepts
import diffusion
import licences
import runs
import scenes
import sd_hub
import train_judge
import train_owl
import train_sd

DRAWINGS = Path(__file__).resolve().parents[2] / "data" / "drawings"


class Data(unittest.TestCase):
    def test_unet_and_blind_judge_share_no_drawing(self):
        for e in json.loads((DRAWINGS / "manifest.json").read_text()):
            unet = [d for d in e["drawings"] if not diffusion.hidden_from_unet(e, d)]
            self.assertEqual(len(unet), 1, e["name"])
            self.assertFalse(set(unet) & set(e["test"]))

    def test_words(self):
        table = json.loads((DRAWINGS / "words.json").read_text())
        trained = {c.name for c in scenes.load_bank(DRAWINGS, ("known", "auxiliary"))}
        self.assertGreaterEqual(len(table), 800)
        self.assertFalse(set(table) & set(concepts.HELD_OUT))
        self.assertTrue(set(concepts.KNOWN) <= set(table))
        for word, names in table.items():
            self.assertTrue(names and set(names) <= trained, word)

    def test_unlicensed_drawings_stop(self):
        licences.check(DRAWINGS)
        with tempfile.TemporaryDirectory() as d:
            folder = Path(d) / "drawings"
            folder.mkdir()
            (Path(d) / "LICENCES.md").write_text("| `noto` | Noto | Google | Apache |\n")
            (folder / "manifest.json").write_text('[{"name": "cat", "drawings": ["noto", "other"]}]')
            with self.assertRaisesRegex(SystemExit, "cat has drawings of other"):
                licences.check(folder)


class Networks(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def test_folding_changes_no_picture(self):
        vae, x = diffusion.build_vae().eval(), torch.rand(64, 3, 32, 32) * 2 - 1
        with torch.no_grad():
            before = vae.decode(vae.encode(x).latent_dist.mean).sample
            diffusion.fold_statistics(vae, x)
            z = vae.encode(x).latent_dist.mean
            self.assertLess((vae.decode(z).sample - before).abs().max(), 1e-4)
        z = z * diffusion.SCALING
        self.assertLess(z.mean((0, 2, 3)).abs().max(), 1e-3)
        self.assertLess((z.std((0, 2, 3)) - 1).abs().max(), 1e-3)

    def test_text_states_are_transformers(self):
        text = diffusion.build_text(300).eval()
        ids = torch.randint(300, (2, diffusion.POSITIONS))
        with torch.no_grad():
            theirs = text(input_ids=ids).last_hidden_state
            self.assertLess((diffusion.text_states(text, ids) - theirs).abs().max(), 1e-4)

    def test_sampler_is_diffusers_ddim(self):
        unet = diffusion.build_unet().eval()
        states, empty = torch.randn(2, 77, 192), torch.randn(1, 77, 192)
        mine = diffusion.ddim(unet, states, empty, steps=5, guidance=3.0, seed=4)
        scheduler = DDIMScheduler.from_config(sd_hub.SCHEDULER)
        scheduler.set_timesteps(5)
        x = torch.randn(mine.shape, generator=torch.Generator().manual_seed(4))
        with torch.no_grad():
            for t in scheduler.timesteps:
                v, v0 = (unet(x, t, encoder_hidden_states=c).sample for c in (states, empty.expand(2, -1, -1)))
                x = scheduler.step(v0 + 3.0 * (v - v0), t, x).prev_sample
        self.assertLess((mine - x).abs().max(), 1e-4)


class Resume(unittest.TestCase):
    def test_killed_and_resumed_is_uninterrupted(self):
        def train(folder, stop):
            torch.manual_seed(1)
            m = torch.nn.Linear(3, 1)
            adam = torch.optim.AdamW(m.parameters(), lr=0.1)
            run = runs.Run(Path(folder), "m", m, [adam], 60, runs.warm_cosine(5), 3)

            def losses(m, step, g):
                if step == stop:
                    raise KeyboardInterrupt
                loss = (m(torch.randn(8, 3, generator=g)) - 1).square().mean()
                return loss, (loss.item(),)
            return run.loop(losses, lambda ema: "").weight

        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            whole = train(a, None)
            with self.assertRaises(KeyboardInterrupt):
                train(b, 55)        # after the state saved at step 50
            self.assertTrue(torch.equal(train(b, None), whole))

    def test_what_was_kept_is_used_for_the_same_settings_only(self):
        with tempfile.TemporaryDirectory() as d:
            path, made = Path(d) / "x.pt", []

            def make():
                made.append(1)
                return torch.full((2,), float(len(made)))
            for seed, value in ((1, 1.0), (1, 1.0), (2, 2.0), (2, 2.0)):
                self.assertEqual(runs.kept(path, dict(seed=seed), make).tolist(), [value] * 2)
            self.assertEqual(len(made), 2)
            self.assertEqual([f.name for f in Path(d).iterdir()], ["x.pt"])

    def test_fingerprint_tells_networks_apart(self):
        a, b = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
        self.assertNotEqual(runs.fingerprint(a), runs.fingerprint(b))
        b.load_state_dict(a.state_dict())
        self.assertEqual(runs.fingerprint(a), runs.fingerprint(b))


class Install(unittest.TestCase):
    """A worse network does not replace the shipped one unless --force says so; an equal one does."""

    def check(self, install, measure, weights):
        """install(built, out, force); `measure` is the name of the function that rates a directory."""
        rates = {"built": 0.5}
        with tempfile.TemporaryDirectory() as d, mock.patch(measure, lambda f, *_: rates[Path(f).name]):
            built, out = Path(d) / "built", Path(d) / "out"
            for folder in (built, out):
                folder.mkdir()
                (folder / weights).write_text(folder.name)
            for shipped, force, ends_as in ((0.6, False, "out"), (0.5, False, "built"), (0.6, True, "built")):
                rates["out"] = shipped
                (out / weights).write_text("out")
                with contextlib.redirect_stdout(io.StringIO()):
                    if ends_as == "out":
                        with self.assertRaisesRegex(SystemExit, "is better and stays"):
                            install(built, out, force)
                    else:
                        install(built, out, force)
                self.assertEqual((out / weights).read_text(), ends_as)

    def test_judge(self):
        self.check(lambda built, out, force: train_judge.install(built, out, DRAWINGS, force),
                   "train_judge.known_accuracy", "model.safetensors")

    def test_owl(self):
        with mock.patch("train_owl.judging_scenes", lambda *_: ()):
            self.check(train_owl.install, "train_owl.average_precision", "model.safetensors")

    def test_sd(self):
        def install(built, out, force):
            with tempfile.TemporaryDirectory() as work:
                train_sd.install(built, argparse.Namespace(out=out, judge=None, work=Path(work), force=force))
        self.check(install, "train_sd.shipped_rate", "model_index.json")


if __name__ == "__main__":
    unittest.main()
