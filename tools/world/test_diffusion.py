"""Quick tests of the embedded Stable Diffusion's parts: python tools/world/test_diffusion.py"""
import json
import tempfile
import unittest
from pathlib import Path

import torch
from diffusers import DDIMScheduler

import concepts
import diffusion
import licences
import runs
import scenes
import sd_hub

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


if __name__ == "__main__":
    unittest.main()
