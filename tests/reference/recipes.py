#!/usr/bin/env python3
"""The recipes of docs/analysis.md, run as they stand in the current folder.

    recipes.py PAGE python           in this interpreter, one after the other; a block is left out where it needs matplotlib
                                     and there is none
    recipes.py PAGE r > all.R        the R blocks as one script

Ends with "10 recipes" on standard output."""
import importlib.util
import re
import sys

page, language = sys.argv[1:]
text = open(page, encoding="utf-8").read()
recipes = re.split(r"^## (\d+)\. ", text, flags=re.M)[1:]
assert recipes[::2] == [str(i) for i in range(1, 11)], recipes[::2]
names = {"__name__": "recipes"}
for number, recipe in zip(recipes[::2], recipes[1::2]):
    blocks = re.findall(r"^```" + language + r"\n(.*?)^```", recipe, re.M | re.S)
    assert len(blocks) == 1, f"recipe {number}: {len(blocks)} blocks of {language}"
    line = text[:text.index(blocks[0])].count("\n")
    if language == "r":
        print(f'cat("recipe {number}\\n")\n{blocks[0]}')
    elif "matplotlib" in blocks[0] and not importlib.util.find_spec("matplotlib"):
        print(f"recipe {number}: left out, there is no matplotlib")
    else:
        print(f"recipe {number}", flush=True)
        exec(compile("\n" * line + blocks[0], page, "exec"), names)
if language == "python":
    assert len(names["trials"]) and len(names["once"]) > len(names["trials"]), "nothing was joined"
    print("10 recipes")
else:
    print('cat("10 recipes\\n")')
