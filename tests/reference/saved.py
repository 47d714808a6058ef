"""What transformers saves of the tokenizers and picture settings of data/, and what it makes of texts then.

    python tests/reference/saved.py NAME       writes tests/reference/fixtures/saved_NAME.json

Each tokenizer gets two more tokens, is saved by save_pretrained and read again; the same with the processor of the two
CLIP directories. A case has the form of tokenizer_added.py's; of tokenizer.json all but the vocabulary is kept, which is
that of data/. `pictures`: size, crop, mean and std. Ran with transformers 4.57.6 (NAME 4) and 5.24.0 (NAME 5), without
PyTorch: 5's processor is that of Pillow.
"""

import json
import pathlib
import sys
import tempfile

import transformers
from tokenizers import AddedToken
from transformers import CLIPProcessor, CLIPTokenizer

try:
    from transformers import CLIPTokenizerFast
except ImportError:
    CLIPTokenizerFast = CLIPTokenizer
try:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Pictures
except ImportError:
    from transformers import CLIPImageProcessor as Pictures

ROOT = pathlib.Path(__file__).parents[2]
TEXTS = ["a photo of a fox", "a <cat-toy>", "A <Cat-Toy>!", "fox Fox FOX foxes", "<|endoftext|> <|ENDOFTEXT|>", "!", "!!! a", "caf\u00e9<cat-toy>cafe\u0301"]


def save(base, folder):
    source = ROOT / "data" / base
    tokenizer = CLIPTokenizerFast.from_pretrained(source)
    tokenizer.add_tokens(["<cat-toy>", AddedToken("Fox", single_word=True, normalized=False)])
    case = {"base": base, "files": {}}
    if (source / "preprocessor_config.json").exists() and "clip" in json.load(open(source / "config.json")).get("model_type", ""):
        CLIPProcessor(image_processor=Pictures.from_pretrained(source), tokenizer=tokenizer).save_pretrained(folder)
        p = Pictures.from_pretrained(folder)
        case["pictures"] = [p.size["shortest_edge"], p.crop_size["height"], *p.image_mean, *p.image_std]
    else:
        tokenizer.save_pretrained(folder)
    return tokenizer, case


def main(name):
    cases = []
    for base in ("clip-tiny", "judge-tiny", "owlv2-tiny", "sd-tiny/tokenizer"):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            _, case = save(base, folder)
            again = CLIPTokenizerFast.from_pretrained(folder)
            for file in sorted(folder.glob("*")):
                if file.name in ("vocab.json", "merges.txt"):
                    continue
                content = json.load(open(file))
                if file.name == "tokenizer.json":
                    content.pop("model")
                case["files"][file.name] = content
            case["texts"] = TEXTS
            case["ids"] = [again(t, add_special_tokens=False).input_ids for t in TEXTS]
            cases.append(case)
    out = pathlib.Path(__file__).parent / "fixtures" / f"saved_{name}.json"
    rows = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    out.write_text('{"made_with": "transformers %s", "cases": [\n' % transformers.__version__ + rows + "\n]}\n")
    print(transformers.__version__, [sorted(c["files"]) for c in cases])


if __name__ == "__main__":
    main(sys.argv[1])
