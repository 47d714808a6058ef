"""Which things the embedded world knows, which it must learn, and how drawings are split.

The lists are the single source for the packed drawings, the data set, the training and the
judging. Every name here is one token of CLIP's tokenizer (make_vocab.py checks it).
"""
import re
import zlib

# Known: trained as word and as picture; a picture may be taken for any of these.
KNOWN = """
monkey dog wolf raccoon cat lion tiger zebra horse unicorn deer cow pig camel giraffe rabbit
hedgehog bat bear koala panda turkey chicken eagle duck swan flamingo parrot frog crocodile
snake dragon whale dolphin fish shark octopus lobster butterfly ant spider scorpion rose tulip
grapes watermelon lemon pineapple pear cherries tomato coconut avocado eggplant carrot broccoli
onion bread croissant pretzel bacon hamburger taco egg popcorn sushi doughnut cupcake pie
lollipop teapot spoon compass volcano house castle tent bus ambulance motorcycle bicycle
skateboard anchor canoe helicopter rocket snowflake snowman fire rainbow balloon trophy baseball
basketball kite dress jeans socks bell violin drum saxophone trumpet telephone battery laptop
keyboard television candle books coin envelope pencil scissors hammer bomb shield wrench
screwdriver gear magnet ladder microscope door chair bed toilet
""".split()

# Held out: neither word nor picture is ever trained. These are what a study learns.
HELD_OUT = """
fox banana guitar penguin umbrella strawberry crab mushroom camera turtle cactus airplane
""".split()

# Known concepts that are also targets of a study: they show what a word the network was
# trained on reaches, as a ceiling beside the learned words. Chosen among those the shipped
# network names on unseen drawings: a name it does not recognise would be no ceiling.
TARGETS = ["pineapple", "bicycle"]

# Common known words, unrelated to the targets and to each other, to start a word from.
ANCHORS = ["dog", "hammer", "bread", "bus", "rose", "candle", "shark", "castle"]

# The first is the bare word; a study uses the others. Two have words after the name, so that
# the network has to carry the name past them.
TEMPLATES = [
    "{}",
    "a {}",
    "the {}",
    "a photo of a {}",
    "a picture of a {}",
    "a drawing of a {}",
    "a small {}",
    "a photo of a {} on a table",
    "the {} in the picture",
]

# Auxiliary drawings that show a held-out thing without naming it (a cactus in the desert, a
# strawberry on the cake, a paper umbrella in the glass).
SHOWS_HELD_OUT = {"desert", "shortcake", "birthday cake", "tropical drink", "camping",
                  "banjo", "carousel horse"}

# Words the reduced vocabulary carries besides names, for templates and captions of other
# networks of this world. Untrained here unless a template has them.
PLAIN_WORDS = """
a an the of in on and with at by to for from near under over behind beside between two three one
picture drawing photo image painting sketch cartoon icon sticker art red blue green yellow orange
purple pink brown black white grey gray gold silver dark bright light pale small big large tiny
huge little old new left right top bottom table wall floor background fruit animal thing tool
object food vehicle plant flower bird instrument toy round long good nice cute clean close my your
""".split()

ARTISTS = {
    "noto": "noto", "noto-v1": "noto", "twemoji": "twemoji", "openmoji": "openmoji",
    "fluent-emoji": "fluent", "fluent-emoji-flat": "fluent",
}


def test_artist(name):
    """The artist whose drawings of `name` are kept for judging.

    Not the same for all concepts: a network judged only on one artist's style would be judged
    on whether it has seen that style at all. Noto always trains, as it brings two drawings.
    """
    return ("twemoji", "openmoji", "fluent")[zlib.crc32(name.encode()) % 3]


def is_test(name, drawing):
    """Whether `drawing` of the concept `name` is kept for judging."""
    return ARTISTS[drawing] == test_artist(name)


def auxiliary(names):
    """The names among `names` that may be trained beside the known ones.

    Left out: what names or shows a held-out thing, and names of three words and more, which
    are mostly variants of one drawing (mailboxes, moons, note books).
    """
    banned = set(HELD_OUT) | {h + "s" for h in HELD_OUT}
    out = []
    for name in names:
        words = re.findall(r"[^\W\d_]+", name.lower())
        core = name in KNOWN or name in HELD_OUT
        if not core and len(words) <= 2 and not banned & set(words) and name not in SHOWS_HELD_OUT:
            out.append(name)
    return out
