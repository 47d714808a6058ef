"""Seeds of the fuzz targets from the tests' fixtures and the shipped studies: tests/fuzz/corpus/<target>/<name>.

    python3 tests/fuzz/make_corpus.py       standard library only; files of regressions (regression-*) are left alone
"""

import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "reference" / "fixtures"


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def tensors(shapes, metadata):
    """A safetensors file of zeros: name -> (type, shape, bytes)."""
    header, at = {"__metadata__": metadata}, 0
    for name, (dtype, shape, size) in shapes.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def main():
    wanted = {"unknown field", "metadata good", "hole", "overlap", "zero size between", "six dimensions", "unaligned",
              "F4 as 4 bytes", "BF16 as 16 bytes", "nested 125 deep", "name: pair of escapes", "length one too long"}
    for case in json.loads((FIXTURES / "safetensors_files.json").read_text())["cases"]:
        if case["name"] in wanted:
            put("safetensors", case["name"].replace(" ", "-").replace(":", ""), bytes.fromhex(case["file"]))
    for name in ("learned_embeds", "two_vectors", "kohya", "sdxl"):
        put("word_file", name, (FIXTURES / "words" / f"{name}.safetensors").read_bytes())
    trial = {"id": "0123456789abcdef", "concept": "fox", "anchor": "dog", "delta": "0.5", "replica": 0}
    shapes = {"words": ("F16", [2, 2, 3], 24), "anchors": ("F16", [2, 3], 12), "radius": ("F64", [2], 16), "anchor_id": ("I64", [2], 16)}
    put("word_file", "block", tensors(shapes, {"model": "clip", "trials": json.dumps([trial, trial])}))
    put("word_file", "rows", tensors({"words": ("F32", [2, 2], 16)}, {"words": '["a", "b"]'}))
    exported = {"viswords": "word", "anchor": "dog", "delta": "free", "radius": "0.25", "replica": "1", "trial": "0123"}
    put("word_file", "exported", tensors({"<vw-fox>": ("F32", [1, 3], 12)}, exported))
    for name in ("kind_0_1.png", "kind_3_4_interlaced.png", "kind_6_16.png", "dark_16.png", "turned.png", "turned_6.jpg",
                 "cmyk_plain.jpg", "sampled_420.jpg", "grey.jpg", "progressive.jpg"):
        put("image", name, (FIXTURES / "pictures" / name).read_bytes())
    for name in ("lossless", "lossy_alpha", "turned", "moving"):
        put("image", f"{name}.webp", (FIXTURES / "webp" / f"{name}.webp").read_bytes())
    for i, case in enumerate(json.loads((FIXTURES / "hub_configs.json").read_text())["cases"]):
        put("hub", f"config-{i}", json.dumps(case["config"]))
    run = {"state": "running", "stage": "learn", "unit": "trials", "host": "a", "ranks": 1, "pid": 1, "items": 2, "total": 8,
           "before": 0, "cost": 1e9, "is_operations": True, "started": 1.5e9, "stage_started": 1.5e9, "time": 1.5e9}
    rank = {"rank": 0, "host": "a", "pid": 1, "state": "working", "stage": "learn", "item": "0123", "step": 2, "steps": 9, "units": 4,
            "done": 4, "items": 1, "unit_steps": 44.0, "step_seconds": 0.5, "cost": 5e8, "cost_done": 5e8, "cost_made": 6e8,
            "loss": None, "started": 1.5e9, "item_started": 1.5e9, "ended": 0.0, "time": 1.500000009e9}
    put("ranks", "one", json.dumps(run)[1:] + "\0" + json.dumps(rank)[1:])
    put("ranks", "torn", json.dumps(run)[1:] + "\0" + json.dumps(rank)[1:80])
    names = "n02000001 fox, red fox\nn02000002 goldfish\n"
    put("lists", "kaggle", "# a comment\na.JPEG 1 2 30 40.5\n\0" + names + "\0ImageId,PredictionString\n"
        "v1,n02000001 1 2 30 40 n02000001 5 6 7 8 \nv2,n02000002 1 1 2 2 \n")
    put("lists", "val", "\0" + names + "\0\0v1.JPEG n02000001\nv2.JPEG 1\n")
    put("lists", "ilsvrc", "\0" + names + "\0\0\0" + "1\n2\n\0n02000001 1 fox\nn02000002 2 goldfish\n")
    coco = {"info": {"year": 2017}, "licenses": [{"id": 1}],
            "images": [{"id": 5, "file_name": "b.jpg", "width": 640, "height": 480, "license": 1}],
            "categories": [{"id": 70, "name": "hair drier", "supercategory": "x"}],
            "annotations": [{"id": 9, "image_id": 5, "category_id": 70, "bbox": [1.5, 2, 30.25, 4], "area": 120.5, "iscrowd": 0,
                             "segmentation": [[1.5, 2, 31.75, 2, 1.5, 6]]},
                            {"id": 10, "image_id": 5, "category_id": 70, "bbox": [0, 0, 640, 480], "iscrowd": 1,
                             "segmentation": {"counts": [4, 10, 2], "size": [480, 640]}}]}
    put("coco", "small", json.dumps(coco))
    put("coco", "pretty", json.dumps(coco, indent=1, ensure_ascii=True))
    put("coco", "escapes", '{"images":[{"id":1,"file_name":"\\u00e9\\ud83e\\udd8a \\n\\/.jpg","width":1e2,"height":12.0}],'
        '"categories":[],"annotations":[],"x":[true,false,null,-0.5E+3,"\u00e9",{"y":[[]]}]}')
    voc = ("<annotation><filename>a.jpg</filename><size><width>96</width><height>96</height></size><object><name>fox</name>"
           "<truncated>0</truncated><difficult>1</difficult><bndbox><xmin>30</xmin><ymin>51</ymin><xmax>70</xmax><ymax>88</ymax>"
           "</bndbox><part><name>head</name></part></object></annotation>")
    put("voc", "small", voc)
    put("voc", "doctype", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + voc)
    put("voc", "entities", voc.replace("fox", "f&amp;&#120;<![CDATA[ y ]]><!-- c -->"))
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
