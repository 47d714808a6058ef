"""Seeds of the fuzz targets from the tests' fixtures and the shipped studies: tests/fuzz/corpus/<target>/<name>.

    python3 tests/fuzz/make_corpus.py       standard library only; files of regressions (regression-*) are left alone
"""

import json
import pathlib

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "reference" / "fixtures"


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def main():
    wanted = {"unknown field", "metadata good", "hole", "overlap", "zero size between", "six dimensions", "unaligned",
              "F4 as 4 bytes", "BF16 as 16 bytes", "nested 125 deep", "name: pair of escapes", "length one too long"}
    for case in json.loads((FIXTURES / "safetensors_files.json").read_text())["cases"]:
        if case["name"] in wanted:
            put("safetensors", case["name"].replace(" ", "-").replace(":", ""), bytes.fromhex(case["file"]))
    for name in ("kind_0_1.png", "kind_3_4_interlaced.png", "kind_6_16.png", "dark_16.png", "turned.png", "turned_6.jpg",
                 "cmyk_plain.jpg", "sampled_420.jpg", "grey.jpg", "progressive.jpg"):
        put("image", name, (FIXTURES / "pictures" / name).read_bytes())
    for i, case in enumerate(json.loads((FIXTURES / "hub_configs.json").read_text())["cases"]):
        put("hub", f"config-{i}", json.dumps(case["config"]))
    put("hub", "preprocessor", b'{}\0{"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, '
        b'"image_mean": [0.5, 0.5, 0.5], "do_resize": true, "resample": 3, "rescale_factor": 0.00392}')
    put("hub", "infinity", '{"a": -Infinity, "b": [NaN], "projection_dim": 5}')
    parts = ("model_index.json", "text_encoder/config.json", "unet/config.json", "vae/config.json",
             "scheduler/scheduler_config.json")
    for name in ("sd_a", "sd_b", "sd_c"):
        put("hub_diffusers", name, b"\0".join((FIXTURES / name / p).read_bytes() for p in parts))
    put("hub_diffusers", "infinity", b'\0\0\0\0{"lambda_min_clipped": -Infinity, "_class_name": "PNDMScheduler"}')
    put("hub_diffusers", "lists", b'\0\0{"only_cross_attention": [false], "sample_size": [8, 6], "layers_per_block": [1, 2, '
        b'1, 2], "cross_attention_dim": [512, 512, 512, 512], "num_class_embeds": null}\0{"latents_mean": null}')
    vocabulary = {"a": 1, "b": 2, "b</w>": 4, "ab</w>": 5, "<|startoftext|>": 6, "<|endoftext|>": 7}
    model = {"end_of_word_suffix": "</w>", "vocab": vocabulary, "merges": ["a b</w>"]}
    put("tokenizer_files", "one-file", b"\0" + json.dumps({"model": model}).encode())
    put("tokenizer_files", "vocabulary", b"\1" + json.dumps(vocabulary).encode())
    put("tokenizer_files", "merges", b"\2#version: 0.2\na b</w>\n\nb a\n")
    added = {"8": {"content": "<toy>", "normalized": False, "single_word": True}, "0": {"content": "!"}}
    put("tokenizer_files", "config", b"\3" + json.dumps({"added_tokens_decoder": added, "pad_token": "!"}).encode())
    put("tokenizer_files", "special", b"\4" + json.dumps({"pad_token": {"content": "!"}}).encode())
    for i, text in enumerate(("a photo of a fox", "It's <|EndOfText|>!!! 12\u00bd", "e\u0301\u0323 \u0130 \ua7cb \U00011935\U00011930",
                              "\U0001f469\u200d\U0001f467\u3000\x1c", "x" * 300)):
        put("text", f"text-{i}", text)
    for name in ("smoke.yaml", "demo.yaml", "optimisers.yaml"):
        put("study", name, (HERE.parents[1] / "jobs" / "studies" / name).read_bytes())


if __name__ == "__main__":
    main()
