"""Checks a report without a browser (standard library alone): page.py PAGE.html [TEXT that it holds ...]

Elements are closed in their order, ids are unique, links lead somewhere, headings do not jump, pictures have texts and lie
in the page, tables have captions and scopes, nothing is loaded from elsewhere, the only script is the one that the page's
policy names by its hash.
"""
import base64
import hashlib
import re
import sys
from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.bad, self.open, self.ids, self.links, self.level, self.text, self.script = [], [], [], [], 0, [], ""
        self.policy, self.seen, self.has_caption = "", {}, True
        self.feed(text)
        self.close()
        if self.open:
            self.bad.append(f"open at the end: {self.open}")
        self.bad += [f"id {i} stands twice" for i in sorted({i for i in self.ids if self.ids.count(i) > 1})]
        self.bad += [f"link to nowhere: {link}" for link in self.links if link[1:] not in self.ids]
        for name, wanted in (("h1", 1), ("main", 1), ("header", 1), ("nav", 1), ("footer", 1), ("script", 1), ("title", 1)):
            if self.seen.get(name, 0) != wanted:
                self.bad.append(f"{self.seen.get(name, 0)} of {name}, expected {wanted}")
        digest = base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()
        if f"script-src 'sha256-{digest}'" not in self.policy:
            self.bad.append(f"the script's hash is {digest}, the policy is {self.policy}")

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        given = dict(attrs)
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if len(set(names)) != len(names):
            self.bad.append(f"{tag}: an attribute stands twice")
        self.bad += [f"{tag}: handler {n}" for n in names if n.startswith("on")]
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            if not given.get("href", "").startswith("#"):
                self.bad.append(f"a link out of the page: {given}")
            self.links.append(given.get("href", "#"))
        if "src" in given and not given["src"].startswith(("data:image/svg+xml;base64,", "data:image/jpeg;base64,")):
            self.bad.append(f"{tag} loads {given['src'][:80]}")
        if tag == "img":
            if not given.get("alt", "").strip():
                self.bad.append("a picture without alt")
            base64.b64decode(given["src"].partition(",")[2], validate=True)
        if tag in ("link", "iframe", "object", "embed", "base", "form", "input"):
            self.bad.append(f"a {tag}")
        if tag == "meta" and given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        if re.fullmatch("h[1-6]", tag):
            if int(tag[1]) > self.level + 1:
                self.bad.append(f"{tag} comes after h{self.level}")
            self.level = int(tag[1])
        if tag == "table":
            self.has_caption = False
        if tag == "caption":
            self.has_caption = True
        if tag == "thead" and not self.has_caption:
            self.bad.append("a table without caption")
        if tag == "th" and given.get("scope") not in ("col", "row"):
            self.bad.append("a th without scope")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(f"</{tag}> closes another element")
        if tag not in ("bdi", "code", "strong", "small", "a"):
            self.text.append(" ")

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.script += data
        elif self.open and self.open[-1] == "style":
            if re.search(r"@import|url\(", data):
                self.bad.append("the style sheet loads something")
        else:
            self.text.append(data)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        page = Page(file.read())
    text = " ".join("".join(page.text).split())
    page.bad += [f"the page does not say '{wanted}'" for wanted in sys.argv[2:] if wanted not in text]
    for bad in page.bad:
        print(f"{sys.argv[1]}: {bad}")
    return 1 if page.bad else 0


if __name__ == "__main__":
    sys.exit(main())
