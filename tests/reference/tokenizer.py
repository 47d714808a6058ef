"""Token ids of transformers' CLIPTokenizerFast for some hundred strings over a reduced vocabulary of OpenAI's CLIP.

    python tests/reference/tokenizer.py          writes tests/reference/fixtures/tokenizer/{cases,cases_pad}.json

fixtures/tokenizer/{vocab.json,merges.txt} are a selection of the entries of CLIP's published vocabulary (MIT licence).
Made with transformers 4.57.6, tokenizers 0.22, Python 3.11. cases_pad: the pad token is "!", as in Stable Diffusion 2.1.
"""
import json, pathlib, random, tempfile, shutil, unicodedata
from transformers import CLIPTokenizerFast

HERE = pathlib.Path(__file__).parent / "fixtures" / "tokenizer"
TEXTS = ["", " ", "a", "fox", "a photo of a fox", "A Photo Of A FOX", "  a \t photo\n\r of\x0b\x0c a   fox ", "teapot", "strawberry",
    "it's", "IT'S", "don't", "we're they've I'm you'll he'd", "'s", "''s", "!'s", "'section", "'sX", "o'clock", "rock'n'roll", "’s", "it’s",
    "1", "12", "2024", "3d", "a1b2", "½", "Ⅷ", "٣", "x²", "①②", "42%", "$9.99", "...", "?!", "!!!", "!", "a!b", "! !", "<>", "</w>", "fox</w>",
    "<|startoftext|>", "<|endoftext|>", "<|EndOfText|>", "a<|endoftext|>b", "<|startoftext|> a fox <|endoftext|>", "<|endoftext", "<|endoftext|><|endoftext|>",
    "<|endofte\u0301xt|>", "<|endoftext|>\u0301e", "<w>", "a photo of a <w>", "#tag", "@user", "e-mail", "snake_case", "a/b\\c", "http://example.org/?q=1&r=2",
    "café", "cafe\u0301", "CAFÉ", "naïve", "Ångström", "A\u030angstro\u0308m", "ﬁsh", "ﬀ", "ｆｕｌｌ", "ＦＵＬＬ", "İstanbul", "ISTANBUL ıI", "ΑΣ", "ΣΑΣ ΣΣ", "ß", "ẞ", "ǅ ǈ",
    "狐", "一只狐狸的照片", "きつね", "여우", "лиса", "ЛИСА", "ثعلب", "שועל", "लोमड़ी", "สุนัข", "🦊", "a 🦊!", "👩‍👩‍👧", "🇩🇪", "☺️", "\u200b", "a\u200bb", "\ufeffa", "\u00a0a\u00a0b",
    "\u2003a\u2009b\u3000c", "\u1680x\u2028y\u2029z", "\x1ca\x1db\x1ec\x1fd", "\x85a", "\x01\x02", "\x7f", "a\u0300\u0323", "\u1e69 s\u0307\u0323", "ﷺ", "\u0345", "Ǆ", "K Å Ω",
    "a\u00adb", "—dash–", "“quoted”", "«x»", "…", "™®©", "&amp; &lt;", "`code`", "~^|{}[]()", "\"double\"", "--", "---___***", "a.b.c", "U.S.A.", "x" * 300, "ab" * 150, "?" * 200,
    "supercalifragilisticexpialidocious", "the the the", "Thethe", "red apple", "redapple", "photograph of photographers", "𝒜𝓁𝓅𝒽𝒶", "𐐀𐐁", "Ꭰꭰ", "ſ", "ŉ", "\U0001f9d1\u200d\U0001f680", "\ufffd", "\U0010ffff"]


def texts():
    out = list(TEXTS)
    rng = random.Random(2406)
    words = [w[:-4] for w in json.load(open(HERE / "vocab.json")) if w.endswith("</w>") and w[:-4].isalpha()]
    pool = "aabcdeilmnorst  ''sStT019.,!-éÉßΣ狐\u0301\u00a0🦊<|>"
    out += [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(60)]
    out += ["".join(rng.choices(words, k=3)).upper() for _ in range(30)]
    out += ["".join(rng.choices(pool, k=rng.randint(1, 24))) for _ in range(120)]
    # every block of the Basic Multilingual Plane is touched; code points that Unicode assigned lately are left out
    known = [c for c in range(0x20, 0xFFFE, 61) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    out += ["".join(chr(c) + "x" for c in known[i:i + 12]) for i in range(0, len(known), 12)]
    return out


def cases(folder, name, chosen):
    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    rows = [{"text": t, "ids": tokenizer(t).input_ids} for t in chosen]
    with open(HERE / name, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]\n")
    print(name, len(rows))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for file in ("vocab.json", "merges.txt"):
            shutil.copy(HERE / file, folder)
        cases(folder, "cases.json", texts())
        (pathlib.Path(folder) / "special_tokens_map.json").write_text('{"pad_token": "!"}')
        cases(folder, "cases_pad.json", TEXTS + [t for t in texts()[len(TEXTS):] if "!" in t])
