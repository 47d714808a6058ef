/* Every key of a study file: schema, default, range, help. The reader, its messages, trial identities and the printed
 * reference all follow this table. */
#include "study/keys.h"

#include "core/options.h"
#include "core/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define STUDY(m)  VW_SEC_STUDY, offsetof(vw_study_config, m)
#define DATA(m)   VW_SEC_DATA, offsetof(vw_data_config, m)
#define MODEL(m)  VW_SEC_MODEL, offsetof(vw_model_config, m)
#define LEARN(m)  VW_SEC_LEARN, offsetof(vw_learn_config, m)
#define TRIALS(m) VW_SEC_TRIALS, offsetof(vw_trials_config, m)
#define PLAN(m)   VW_SEC_PLAN, offsetof(vw_plan_config, m)
#define JUDGE(m)  VW_SEC_JUDGE, offsetof(vw_judge_config, m)
#define CUT(m)    VW_SEC_TRUNCATION, offsetof(vw_truncation_config, m)
#define MOST      1e9

/* What a picture is of, not how it was made. */
static const char TEMPLATES[] = "['a photo of a {}', 'a photo of the {}', 'a good photo of a {}', "
                                "'a photo of one {}', 'a close-up photo of a {}', 'a picture of a {}']";

const vw_key vw_study_keys[] = {
    {"study", VW_KEY_TEXT, STUDY(study), "study", .help = "name of the study, shown in every figure"},
    {"seed", VW_KEY_INT, STUDY(seed), "0", .max = 9e15, .protocol = true, .help = "of every random draw"},

    {"data", VW_KEY_SECTION, STUDY(data), NULL, .help = "the data sets, by a name of your choice"},
    {"data.<name>.kind", VW_KEY_CHOICE, DATA(kind), "folders", "folders dreambooth coco voc imagenet", .protocol = true,
     .help = "folders: root/train/CLASS/*.jpg and root/test/CLASS/*.jpg (or .png, .webp), or root/CLASS; dreambooth: "
             "root/SUBJECT; coco: root/annotations/instances_X.json and root/X; voc: root/ImageSets, Annotations, "
             "JPEGImages; imagenet: root/train/WNID and root/val (docs/data-sets.md)"},
    {"data.<name>.root", VW_KEY_PATH, DATA(root), NULL, .help = "where the data set lies"},
    {"data.<name>.concepts", VW_KEY_NAMES, DATA(concepts), NULL, .judged_with = true,
     .help = "what words are learned for, named as the data set names them"},
    {"data.<name>.classes", VW_KEY_CLASSES, DATA(classes), "", .protocol = true,
     .help = "what a picture may be taken for: a list, or a file with a name a line; default: every class"},
    {"data.<name>.pictures.train", VW_KEY_INT, DATA(train), "16", .min = 1, .max = MOST, .protocol = true,
     .help = "training pictures of a class, at most: the first by file name; of coco and voc drawn ones"},
    {"data.<name>.pictures.test", VW_KEY_INT, DATA(test), "16", .min = 1, .max = MOST, .protocol = true,
     .help = "test pictures of a class, at most; detection on coco and voc judges on the whole part"},
    {"data.<name>.pictures.negatives", VW_KEY_INT, DATA(negatives), "64", .max = MOST, .protocol = true, .scoped = true,
     .help = "detection: training pictures without the concept that its words are learned against, at most"},
    /* Not marked as protocol: it enters the identity of a trial through that of its pictures. */
    {"data.<name>.pictures.exif", VW_KEY_CHOICE, DATA(exif), "ignore", "ignore turn",
     .kinds = "folders dreambooth imagenet",
     .help = "the orientation in EXIF data: ignore, as the networks' own processors do, or turn pictures as people see "
             "them"},
    /* Nor this one. */
    {"data.<name>.pictures.alpha", VW_KEY_CHOICE, DATA(alpha), "drop", "drop white",
     .help = "transparency: drop it, as transformers 4 does, or lay pictures on white, as transformers 5 does"},
    /* Nor this one: what is left out is not among the pictures. */
    {"data.<name>.pictures.damaged", VW_KEY_CHOICE, DATA(damaged), "refuse", "refuse skip",
     .help =
         "pictures that cannot be decoded: refuse the study, or skip them, counted; every picture is then decoded at "
         "each start"},
    {"data.<name>.pictures.pad", VW_KEY_CHOICE, DATA(pad), "grey", "grey black",
     .help =
         "around pictures that a network pads to a square (CLIP cuts them), and around crops: grey, as transformers 4 "
         "does, or black, as transformers 5"},
    /* What follows enters the identity of a trial through its pictures and boxes, too. */
    {"data.<name>.split.train", VW_KEY_TEXT, DATA(split_train), "", .kinds = "coco voc",
     .help = "the part to learn from: X of instances_X.json or of ImageSets/Main/X.txt; default: train*"},
    {"data.<name>.split.test", VW_KEY_TEXT, DATA(split_test), "", .kinds = "coco voc",
     .help = "the part to judge by; default: val*, else test*"},
    {"data.<name>.crop.margin", VW_KEY_REAL, DATA(crop_margin), "1.2", .min = 1, .max = 100, .kinds = "coco voc",
     .help = "classification and generation see squares around boxes: their side, in longer sides of the box"},
    {"data.<name>.crop.least", VW_KEY_INT, DATA(crop_least), "96", .min = 1, .max = MOST, .kinds = "coco voc",
     .help = "pixels that the longer side of such a box has at least"},
    {"data.<name>.names", VW_KEY_PATH, DATA(names), "", .kinds = "imagenet",
     .help = "lines of a class's number and name; default: LOC_synset_mapping.txt, synset_words.txt, words.txt or "
             "map_clsloc.txt in root"},
    {"data.<name>.folds", VW_KEY_INT, DATA(folds), "0", .max = 1000, .kinds = "dreambooth",
     .help = "0: a third of a subject's pictures is held out, at least one; k: each of k parts in turn, as data sets "
             "NAME-1 to NAME-k"},
    {"data.<name>.counts.classes", VW_KEY_INT, DATA(counts.classes), "", .min = 1, .max = MOST, .aside = true,
     .help = "for `viswords plan` where the data set is not there: its classes, unless `classes` lists them"},
    {"data.<name>.counts.train", VW_KEY_INT, DATA(counts.train), "", .min = 1, .max = MOST, .aside = true,
     .help = "the same: training pictures of all classes together"},
    {"data.<name>.counts.test", VW_KEY_INT, DATA(counts.test), "", .min = 1, .max = MOST, .aside = true,
     .help = "the same: test pictures of all classes together"},

    {"models", VW_KEY_SECTION, STUDY(models), NULL, .help = "the networks, by a name of your choice"},
    {"models.<name>.kind", VW_KEY_KIND, MODEL(kind), "first", .protocol = true,
     .help = "what the directory holds; clip: a CLIPModel, owlv2: an Owlv2ForObjectDetection, both of any size"},
    {"models.<name>.weights", VW_KEY_PATH, MODEL(weights), NULL,
     .help = "a model directory as on the Hugging Face hub"},
    {"models.<name>.vectors", VW_KEY_INT, MODEL(vectors), "1", .min = 1, .max = VW_WORD_VECTORS, .protocol = true,
     .as_ever = "1",
     .help = "of a word: so many in a row, each starting at the anchor's embedding, each in a ball of its own"},
    {"models.<name>.data", VW_KEY_NAMES, MODEL(data), "",
     .help = "the data sets that it learns on; default: every one that has what its task needs"},
    {"models.<name>.learn", VW_KEY_SECTION, MODEL(learn), "",
     .help = "any key of learn, for this model only: models.clip.learn.steps"},
    {"models.<name>.trials", VW_KEY_SECTION, MODEL(trials), "",
     .help = "its own anchors, deltas and replicas, and the keys below"},
    {"models.<name>.trials.concepts", VW_KEY_NAMES, TRIALS(concepts), "", .alone = true,
     .help = "those of its data sets' concepts that it learns; default: all"},
    {"models.<name>.trials.pictures.train", VW_KEY_INT, TRIALS(train), "", .min = 1, .max = MOST, .alone = true,
     .help = "in the place of data.<name>.pictures.train, for this model only; trials are those of such a data set"},
    {"models.<name>.trials.pictures.test", VW_KEY_INT, TRIALS(test), "", .min = 1, .max = MOST, .alone = true,
     .help = "in the place of data.<name>.pictures.test"},
    {"models.<name>.plan", VW_KEY_SECTION, MODEL(plan), "",
     .help = "its own block, ranks_per_block, memory, recompute and precision"},
    {"models.<name>.judge", VW_KEY_SECTION, MODEL(judge), "", .help = "any key of judge, for this model only"},
    {"models.<name>.truncation", VW_KEY_SECTION, MODEL(truncation), "",
     .help = "any key of truncation, for this model only"},

    {"trials", VW_KEY_SECTION, STUDY(models), "", .help = "which words are learned"},
    {"trials.anchors", VW_KEY_NAMES, TRIALS(anchors), NULL,
     .help = "the words that learning starts from, one token each"},
    {"trials.deltas", VW_KEY_DELTAS, TRIALS(deltas), "[0.1, 0.25, 0.5, 1.0]", .min = 0, .max = 1e6, .above = true,
     .help = "radii of the ball, in distances from the anchor to its nearest neighbour"},
    {"trials.replicas", VW_KEY_INT, TRIALS(replicas), "1", .min = 1, .max = 1e6, .help = "repeats with other draws"},
    {"trials.null_concepts", VW_KEY_INT, STUDY(null_concepts), "1", .max = 1e6,
     .help = "concepts made of pictures drawn at random: what a ball reaches for anything"},
    {"trials.vocabulary", VW_KEY_VOCABULARY, STUDY(vocabulary), "default", "default words all", .protocol = true,
     .help = "an anchor's neighbours: whole words, all entries, a file with a word a line; default: the model's "
             "trained_words.txt, else words"},

    {"learn", VW_KEY_SECTION, STUDY(models), "", .help = "how words are learned"},
    {"learn.optimiser", VW_KEY_CHOICE, LEARN(optimiser), "pgd", "pgd adamw", .protocol = true,
     .help = "pgd: normalised projected gradient; adamw: then projected"},
    {"learn.steps", VW_KEY_STEPS, LEARN(steps), "1000", .min = 1, .max = MOST, .protocol = true,
     .help = "training steps; a number, or a map by model name"},
    {"learn.eta", VW_KEY_REAL, LEARN(eta), "0.1", .max = 1e6, .above = true, .needs = 1 + VW_PGD, .protocol = true,
     .help = "pgd: length of the first step, in radii; falls to 0 along a cosine"},
    {"learn.lr", VW_KEY_REAL, LEARN(lr), "0.001", .max = 1e6, .above = true, .needs = 1 + VW_ADAMW, .protocol = true,
     .help = "adamw: learning rate"},
    {"learn.weight_decay", VW_KEY_REAL, LEARN(weight_decay), "0.01", .max = 1e6, .needs = 1 + VW_ADAMW,
     .protocol = true, .help = "adamw: decay of free words; in a ball there is none"},
    {"learn.batch.positives", VW_KEY_INT, LEARN(positives), "8", .min = 1, .max = 65536, .protocol = true,
     .help = "pictures of the concept a trial and step"},
    {"learn.batch.negatives", VW_KEY_INT, LEARN(negatives), "8", .max = 65536, .protocol = true, .scoped = true,
     .help = "pictures of other classes a trial and step"},
    {"learn.resolution", VW_KEY_AUTO, LEARN(resolution), "auto", .min = 8, .max = 16384, .protocol = true,
     .scoped = true,
     .help = "generation: side of the pictures that are learned from and drawn, in pixels; auto: what the network was "
             "trained on"},
    {"learn.matching", VW_KEY_CHOICE, LEARN(matching), "fixed", "fixed dynamic", .protocol = true, .scoped = true,
     .help = "detection: which patches answer for a picture's boxes: fixed: by place and objectness, once a picture; "
             "dynamic: by place and the word's logits, at every step"},
    {"learn.templates", VW_KEY_TEMPLATES, LEARN(templates), TEMPLATES, .protocol = true,
     .help = "sentences with one {} each; a step draws one"},
    {"learn.judge_template", VW_KEY_TEMPLATE, LEARN(judge_template), "", .protocol = true,
     .help = "the sentence of judging; default: the first of templates"},
    {"learn.template_per", VW_KEY_CHOICE, LEARN(template_per), "step", "step", "picture", .protocol = true,
     .help = "one template a step"},
    {"learn.streams", VW_KEY_CHOICE, LEARN(streams), "concept", "concept trial", .protocol = true,
     .help = "draws shared by the anchors and deltas of a concept, or a trial's own"},
    {"learn.loss_points", VW_KEY_INT, LEARN(loss_points), "100", .min = 1, .max = 1e6, .protocol = true,
     .help = "points of the stored training loss"},
    {"learn.watch.every", VW_KEY_INT, LEARN(watch_every), "0", .max = MOST, .protocol = true, .of_stopping = true,
     .help = "steps between looks at the loss on the fixed set, which are stored; no word depends on them; 0: only "
             "before the first and after the last step"},
    {"learn.watch.draws", VW_KEY_AUTO, LEARN(watch_draws), "auto", .min = 1, .max = 4096, .protocol = true,
     .as_ever = "0", .help = "draws of the fixed set; auto: 32, generation 8"},
    {"learn.watch.pictures", VW_KEY_INT, LEARN(watch_pictures), "0", .max = MOST, .scoped = true,
     .help = "generation: steps between sample pictures, one a word; no word depends on them; 0: none"},
    {"learn.early_stop.patience", VW_KEY_INT, LEARN(patience), "0", .max = MOST, .protocol = true, .as_ever = "0",
     .help = "a word stops learning after so many looks (learn.watch.every) without progress; 0: it learns all steps"},
    {"learn.early_stop.threshold", VW_KEY_REAL, LEARN(threshold), "0.01", .max = 1, .protocol = true,
     .with_stopping = true,
     .help = "progress: the loss on the fixed set fell by more than this share of what it was when there was progress "
             "last"},

    {"judge", VW_KEY_SECTION, STUDY(models), "",
     .help =
         "how words are judged, where no trial depends on it: what changes here is judged again, never learned again"},
    {"judge.templates", VW_KEY_TEMPLATES, JUDGE(templates), "", .judging = true, .scoped = true, .as_ever = "0",
     .help =
         "classification, detection: sentences with one {} each, over which the features of classes, words and names "
         "are averaged; default: learn.judge_template alone"},
    {"judge.suppression", VW_KEY_REAL, JUDGE(suppression), "0", .max = 1, .judging = true, .scoped = true,
     .as_ever = "0",
     .help = "detection: a box that overlaps a better one of its word by more than this share of both is left out; 0: "
             "none is, as the official protocols have it"},
    /* Its contents enter the identity of an evaluation, not where it lies. */
    {"judge.weights", VW_KEY_PATH, JUDGE(weights), NULL, .scoped = true,
     .help = "generation: the model directory of the network that names what words draw, a CLIPModel that learns no "
             "word itself"},
    {"judge.names", VW_KEY_CLASSES, JUDGE(names), "", .judging = true, .scoped = true,
     .help = "generation: names that it knows and chooses among: a list, or a file with a name a line; default: the "
             "data set's classes and concepts"},
    {"judge.pictures", VW_KEY_INT, JUDGE(pictures), "8", .min = 1, .max = 1e6, .judging = true, .scoped = true,
     .help = "generation: pictures that are drawn with a word"},
    {"judge.sampler", VW_KEY_CHOICE, JUDGE(sampler), "dpm++", "ddim dpm++", .judging = true, .scoped = true,
     .help = "generation: dpm++: DPM-Solver++(2M)"},
    {"judge.steps", VW_KEY_INT, JUDGE(steps), "20", .min = 1, .max = 1e4, .judging = true, .scoped = true,
     .help = "generation: of the sampler; ddim likes 50"},
    {"judge.guidance", VW_KEY_REAL, JUDGE(guidance), "7.5", .min = 1, .max = 1e3, .judging = true, .scoped = true,
     .help = "generation: how far pictures are steered away from the negative text; 1: not at all, in half the time"},
    {"judge.negative", VW_KEY_TEXT, JUDGE(negative), "", .judging = true, .scoped = true, .may_be_empty = true,
     .help = "generation: that text; default: the empty one"},
    {"judge.spacing", VW_KEY_CHOICE, JUDGE(spacing), "default", "default leading linspace trailing", .judging = true,
     .scoped = true, .help = "generation: of timesteps; default: as the model's scheduler says"},

    {"plan", VW_KEY_SECTION, STUDY(models), "", .help = "how the work is cut and computed; changes no trial"},
    {"plan.ranks", VW_KEY_INT, STUDY(ranks), "8", .min = 1, .max = 1e6,
     .help = "ranks that block sizes are made for, however many run"},
    {"plan.ranks_per_block", VW_KEY_INT, PLAN(ranks_per_block), "1", .min = 1, .max = 1024,
     .help = "slices that the pictures of a block's step are cut into, for so many ranks to share; for networks whose "
             "step is long, not for CLIP"},
    {"plan.block", VW_KEY_AUTO, PLAN(block), "auto", .min = 1, .max = 65536,
     .help = "words learned together; auto: at most 64 (on a GPU 2048), blocks a multiple of ranks where their steps "
             "stay efficient"},
    {"plan.backend", VW_KEY_CHOICE, STUDY(backend), "auto", "auto ref cpu cuda",
     .help = "which kernels; auto: the first learn decides, cuda where every rank has a device, else cpu"},
    {"plan.precision", VW_KEY_CHOICE, PLAN(precision), "auto", "auto fp32 tf32 mixed bf16",
     .help = "of cuda (ref: fp64, cpu: fp32): tf32: products of 10-bit factors; mixed: the same for texts, pictures in "
             "bf16; bf16: texts too; auto: mixed. Words, cosines and losses are fp32 in all"},
    {"plan.algorithms", VW_KEY_CHOICE, STUDY(algorithms), "first", "first timed",
     .help =
         "of cuda's products: first: the library's own choice; timed: the fastest of a few, measured when the plan is "
         "made and recorded in it"},
    {"plan.threads", VW_KEY_AUTO, STUDY(threads), "auto", .min = 1, .max = 65536,
     .help = "of a rank; auto: the cores that the node's ranks may use, shared among them"},
    {"plan.memory", VW_KEY_MEMORY, PLAN(memory), "auto", .min = 1, .max = 9e15,
     .help =
         "that a block may take of a rank beside weights: bytes, or with KiB, MiB, GiB, TiB; auto: four fifths of a "
         "device or of this machine, for everything"},
    {"plan.recompute", VW_KEY_AUTO, PLAN(recompute), "auto", .min = 1, .max = 64,
     .help = "segments of a step's forward pass that are computed a second time on the way back, for less memory and "
             "the same bits; 1: never; auto: as few as memory needs"},
    {"transfer.all", VW_KEY_CHOICE, STUDY(transfer.all), "false", "false true",
     .help =
         "of the stage transfer: false: words whose concept, anchor, delta and replica the target learned too; true: "
         "every word of the target's concepts"},
    {"transfer.map", VW_KEY_CHOICE, STUDY(transfer.map), "auto", "auto least-squares ridge orthogonal hidden",
     .help =
         "from one network's words to another's, fitted on the words that both know; auto: least squares where they "
         "are ten times the dimensions, else ridge; hidden: with a hidden layer"},
    {"transfer.bias", VW_KEY_CHOICE, STUDY(transfer.bias), "false", "false true", .help = "whether the map has one"},
    {"transfer.lambda", VW_KEY_REAL, STUDY(transfer.lambda), "0", .max = 1e12,
     .help = "of ridge; 0: of 10^-3 to 10^3 the one with the smallest error on ten folds"},
    {"transfer.radius", VW_KEY_CHOICE, STUDY(transfer.radius), "free", "free kept",
     .help =
         "free: a carried word is where the map puts it; kept: its anchor becomes the target's, and its distance to "
         "it stays the same in radii"},
    {"transfer.pictures", VW_KEY_AUTO, STUDY(transfer.pictures), "auto", .min = 1, .max = 1e6,
     .help = "generation: that each carried word draws, at most; auto: judge.pictures"},
    {"transfer.pairs", VW_KEY_NAMES, STUDY(transfer.pairs), "",
     .help = "models between which words are carried, as clip->owl; default: all whose networks differ"},
    {"truncation", VW_KEY_SECTION, STUDY(models), "",
     .help =
         "of the stage truncation: words judged by the first layers of the text encoder alone; changes no trial and "
         "no other evaluation"},
    {"truncation.depths", VW_KEY_LAYERS, CUT(depths), "", .max = 1e4,
     .help = "how many layers are kept, 0: none, which hides the word; default: 0, 1 and four evenly spaced up to all"},
    {"truncation.deltas", VW_KEY_DELTAS, CUT(deltas), "", .min = 0, .max = 1e6, .above = true,
     .help = "of the words that are judged so; default: the largest that the model learns with, but free"},
    {"truncation.carried", VW_KEY_CHOICE, CUT(carried), "true", "false true",
     .help = "whether words of other networks, which the stage transfer carried, are judged so, too"},
    {"truncation.pictures", VW_KEY_AUTO, CUT(pictures), "auto", .min = 1, .max = 1e6, .scoped = true,
     .help = "generation: that a word draws at each depth, at most; auto: judge.pictures"},
    {"truncation.pictures_carried", VW_KEY_AUTO, CUT(pictures_carried), "auto", .min = 1, .max = 1e6, .scoped = true,
     .help = "generation: that a carried word draws at each depth, at most; auto: truncation.pictures"},
    {"tsne.layers", VW_KEY_LAYERS, STUDY(tsne.layers), "", .max = 1e4,
     .help =
         "of the stage tsne: layers of the text tower that are mapped, 0: the embedding; default: 0 and four evenly "
         "spaced up to the last"},
    {"tsne.perplexity", VW_KEY_REAL, STUDY(tsne.perplexity), "30", .min = 1, .max = 1e4,
     .help = "neighbours that a point has in effect; at most a third of the other points is used"},
    {"tsne.exaggeration", VW_KEY_REAL, STUDY(tsne.exaggeration), "12", .min = 1, .max = 1e3,
     .help = "of attraction in the first quarter of the iterations"},
    {"tsne.iterations", VW_KEY_INT, STUDY(tsne.iterations), "1000", .min = 1, .max = 1e6, .help = "steps of a map"},
    {"tsne.start", VW_KEY_CHOICE, STUDY(tsne.start), "pca", "pca random",
     .help = "where points start: the first two principal components, or normals drawn by the study's seed"},
    {"stages", VW_KEY_STAGES, STUDY(stages), "[learn, evaluate, collect]",
     "learn evaluate transfer truncation probe tsne collect figures report", .help = "what `viswords run` does"},
    {"cache", VW_KEY_PATH, STUDY(cache), "", .help = "features and converted weights; default: ~/.cache/viswords"},
};
const int vw_study_n_keys = sizeof vw_study_keys / sizeof vw_study_keys[0];

const char *vw_key_default(const char *list, const char *key, int *length) {
  const size_t n = strlen(key);
  for (const char *at = list; at && *at; at += strspn(at, " ")) {
    const size_t word = strcspn(at, " ");
    if (word > n && strncmp(at, key, n) == 0 && at[n] == '=') {
      *length = (int)(word - n - 1);
      return at + n + 1;
    }
    at += word;
  }
  return NULL;
}

int vw_key_place(const char *key) {
  int i = 0;
  while (strcmp(vw_study_keys[i].key, key) != 0) i++;
  return i;
}

const char *vw_data_kind_name(const vw_data_config *d) {
  static _Thread_local char name[32];
  int n = 0;
  const char *word = vw_word_at(vw_study_keys[vw_key_place("data.<name>.kind")].choices, d->kind, &n);
  (void)snprintf(name, sizeof name, "%.*s", n, word ? word : "");
  return name;
}

/* In the order of vw_section. */
static const vw_shared_section shared[VW_SHARED_SECTIONS] = {{"learn", offsetof(vw_model_config, learn)},
                                                             {"trials", offsetof(vw_model_config, trials)},
                                                             {"plan", offsetof(vw_model_config, plan)},
                                                             {"judge", offsetof(vw_model_config, judge)},
                                                             {"truncation", offsetof(vw_model_config, truncation)}};

const vw_shared_section *vw_section_shared(vw_section section) {
  return section >= VW_SEC_LEARN ? &shared[section - VW_SEC_LEARN] : NULL;
}

bool vw_key_is_of_kind(const vw_key *o, const vw_data_config *d) {
  const char *kind = vw_data_kind_name(d);
  return !o->kinds || vw_word_place(o->kinds, kind, strlen(kind)) >= 0;
}

const char *vw_key_name(const vw_key *o) {
  const vw_shared_section *of = vw_section_shared(o->section);
  const size_t model = strlen("models.<name>."), before = o->alone || o->section == VW_SEC_MODEL ? model : 0;
  if (o->section == VW_SEC_DATA) return o->key + strlen("data.<name>.");
  return o->key + before + (of ? strlen(of->key) + 1 : 0);
}

const char *vw_word_at(const char *list, int i, int *length) {
  for (const char *p = list; p && *p;) {
    const size_t n = strcspn(p, " ");
    *length = (int)n;
    if (i-- == 0) return p;
    p += n + (p[n] == ' ');
  }
  return NULL;
}

int vw_word_place(const char *list, const char *word, size_t length) {
  int n = 0;
  for (int i = 0;; i++) {
    const char *w = vw_word_at(list, i, &n);
    if (!w) return -1;
    if ((size_t)n == length && memcmp(w, word, length) == 0) return i;
  }
}

const char *vw_word_hint(const char *list, const char *word) {
  static _Thread_local char words[1024], hint[96];
  const char *name[64];
  int64_t n = 0;
  (void)snprintf(words, sizeof words, "%s", list ? list : "");
  for (char *rest = words, *w = NULL; n < 64 && (w = strtok_r(rest, " ", &rest));) name[n++] = w;
  const char *near = vw_near_miss(word, name, n);
  hint[0] = 0;
  if (near) (void)snprintf(hint, sizeof hint, "; did you mean %s?", near);
  return hint;
}

/* "from 1 to 64", "of 1 or more", "above 0": the largest numbers are guards, nobody needs to read them. */
static void range_text(const vw_key *o, char *out, size_t bytes) {
  const bool open = o->max >= 1e6;
  if (o->above && open)
    (void)snprintf(out, bytes, "above %g", o->min);
  else if (o->above)
    (void)snprintf(out, bytes, "above %g, at most %g", o->min, o->max);
  else if (open)
    (void)snprintf(out, bytes, "of %g or more", o->min);
  else
    (void)snprintf(out, bytes, "from %g to %g", o->min, o->max);
}

static void choices_text(const char *list, char *out, size_t bytes) {
  int n = 0;
  size_t at = 0;
  out[0] = 0;
  for (int i = 0; at < bytes; i++) {
    const char *w = vw_word_at(list, i, &n);
    if (!w) return;
    const char *between = i == 0 ? "" : vw_word_at(list, i + 1, &(int){0}) ? ", " : " or ";
    at += (size_t)snprintf(out + at, bytes - at, "%s%.*s", between, n, w);
  }
}

void vw_key_expected(const vw_key *o, const vw_study_kinds *kinds, char *out, size_t bytes) {
  char range[64], words[128];
  range_text(o, range, sizeof range);
  choices_text(o->type == VW_KEY_KIND ? kinds->models : o->choices, words, sizeof words);
  switch (o->type) {
  case VW_KEY_TEXT:
    (void)snprintf(out, bytes, "a text");
    return;
  case VW_KEY_PATH:
    (void)snprintf(out, bytes, "a path");
    return;
  case VW_KEY_INT:
    (void)snprintf(out, bytes, "an integer %s", range);
    return;
  case VW_KEY_AUTO:
    (void)snprintf(out, bytes, "auto or an integer %s", range);
    return;
  case VW_KEY_MEMORY:
    (void)snprintf(out, bytes, "auto or an amount such as 4 GiB");
    return;
  case VW_KEY_STEPS:
    (void)snprintf(out, bytes, "an integer %s, or a map of them by model name", range);
    return;
  case VW_KEY_REAL:
    (void)snprintf(out, bytes, "a number %s", range);
    return;
  case VW_KEY_CHOICE:
  case VW_KEY_KIND:
    (void)snprintf(out, bytes, "%s", words);
    return;
  case VW_KEY_NAMES:
    (void)snprintf(out, bytes, "a list of names");
    return;
  case VW_KEY_STAGES:
    (void)snprintf(out, bytes, "a list of %s", words);
    return;
  case VW_KEY_CLASSES:
    (void)snprintf(out, bytes, "a list of names or a file");
    return;
  case VW_KEY_TEMPLATE:
    (void)snprintf(out, bytes, "a text with one {}");
    return;
  case VW_KEY_TEMPLATES:
    (void)snprintf(out, bytes, "a list of texts with one {} each");
    return;
  case VW_KEY_DELTAS:
    (void)snprintf(out, bytes, "a list of numbers %s, or free", range);
    return;
  case VW_KEY_LAYERS:
    (void)snprintf(out, bytes, "a list of integers of 0 or more");
    return;
  case VW_KEY_VOCABULARY:
    (void)snprintf(out, bytes, "%s, or a file", words);
    return;
  case VW_KEY_SECTION:
    (void)snprintf(out, bytes, "a mapping of keys");
    return;
  }
}

/* "; detection: `4`" of every task that has a default of its own. */
static void print_task_defaults(FILE *out, const vw_study_kinds *kinds, const char *key, const char *quote) {
  const char *list = kinds->defaults ? kinds->defaults : "";
  for (int i = 0, n = 0; list; i++) {
    char of[256];
    int length = 0;
    const char *task = vw_word_at(kinds->tasks, i, &n), *comma = strchr(list, ',');
    (void)snprintf(of, sizeof of, "%.*s", comma ? (int)(comma - list) : (int)strlen(list), list);
    const char *value = vw_key_default(of, key, &length);
    if (task && value) (void)vw_print(out, "; %.*s: %s%.*s%s", n, task, quote, length, value, quote);
    list = comma ? comma + 1 : NULL;
  }
}

void vw_study_print_keys(FILE *out, const vw_study_kinds *kinds, bool markdown) {
  if (markdown) (void)vw_print(out, "| key | value | default | what |\n|---|---|---|---|\n");
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    char expected[192];
    vw_key_expected(o, kinds, expected, sizeof expected);
    char first[64];
    const char *given = !o->text ? "required" : o->text[0] ? o->text : "-";
    if (o->type == VW_KEY_KIND) { /* of this program's list */
      (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(kinds->models, " "), kinds->models);
      given = first;
    }
    if (markdown) {
      const char *quote = o->text && o->text[0] ? "`" : "";
      (void)vw_print(out, "| `%s` | %s | %s%s%s", o->key, expected, quote, given, quote);
      print_task_defaults(out, kinds, o->key, "`");
      (void)vw_print(out, " | %s |\n", o->help);
    } else {
      (void)vw_print(out, "%-28s %s\n%28s %s; default: %s", o->key, o->help, "", expected, given);
      print_task_defaults(out, kinds, o->key, "");
      (void)vw_print(out, "\n");
    }
    const char *later = o->type == VW_KEY_KIND ? kinds->later : o->later;
    if (later && later[0] && !markdown) (void)vw_print(out, "%28s not in this version: %s\n", "", later);
  }
}

/* One "key: value" line; lists one item a line, so that no item's text can look like another key's. */
static void print_value(FILE *out, const vw_key *o, const char *key, const void *base) {
  const char *member = (const char *)base + o->offset;
  const vw_names *names = (const vw_names *)(const void *)member;
  int n = 0;
  switch (o->type) {
  case VW_KEY_INT:
  case VW_KEY_AUTO:
  case VW_KEY_MEMORY:
  case VW_KEY_STEPS:
    (void)fprintf(out, "%s: %" PRId64 "\n", key, *(const int64_t *)(const void *)member);
    return;
  case VW_KEY_REAL:
    (void)fprintf(out, "%s: %.17g\n", key, *(const double *)(const void *)member);
    return;
  case VW_KEY_CHOICE: {
    const char *word = vw_word_at(o->choices, *(const int *)(const void *)member, &n);
    (void)fprintf(out, "%s: %.*s\n", key, n, word);
    return;
  }
  case VW_KEY_NAMES:
  case VW_KEY_CLASSES:
  case VW_KEY_STAGES:
  case VW_KEY_TEMPLATES:
    (void)fprintf(out, "%s: %" PRId64 "\n", key, names->n);
    for (int64_t i = 0; i < names->n; i++) (void)fprintf(out, "- %zu %s\n", strlen(names->name[i]), names->name[i]);
    return;
  case VW_KEY_VOCABULARY: {
    /* A list in a file counts by its contents, which the caller hashes with the model: not by where it lies. */
    const char *v = *(const char *const *)(const void *)member;
    (void)fprintf(out, "%s: %s\n", key, vw_word_place(o->choices, v, strlen(v)) >= 0 ? v : "file");
    return;
  }
  case VW_KEY_LAYERS:
  case VW_KEY_DELTAS: {
    const vw_numbers *numbers = (const vw_numbers *)(const void *)member;
    (void)fprintf(out, "%s: %" PRId64 "\n", key, numbers->n);
    for (int64_t i = 0; i < numbers->n; i++) (void)fprintf(out, "- %.17g\n", numbers->v[i]);
    return;
  }
  default: {
    const char *text = *(const char *const *)(const void *)member;
    (void)fprintf(out, "%s: %s\n", key, text ? text : "");
    return;
  }
  }
}

/* Ends a memory stream; its text is the caller's. */
static vw_status close_text(FILE *out, char **text) {
  const bool failed = ferror(out) != 0;
  if (fclose(out) == 0 && !failed) return VW_OK;
  free(*text);
  *text = NULL;
  return VW_RAISE(VW_ERR_MEMORY, "no memory for the study's values");
}

static bool is_named(const vw_key *o, const vw_model_config *m) {
  return m->keys && vw_word_place(m->keys, o->key, strlen(o->key)) >= 0;
}

bool vw_key_applies(const vw_key *o, const vw_model_config *m) {
  const bool is_read = !o->scoped || is_named(o, m);
  if (o->with_stopping && !m->learn.patience) return false;
  return is_read && (!o->needs || o->needs == 1 + m->learn.optimiser);
}

bool vw_study_reads_key(const vw_study_config *config, const char *key, int length) {
  const char *end = key + length;
  for (int64_t i = 0; i < config->n_models; i++) {
    char prefix[VW_STUDY_KEY];
    const int n = snprintf(prefix, sizeof prefix, "models.%s.", config->models[i].name);
    if (length <= n || strncmp(key, prefix, (size_t)n) != 0) continue;
    for (int k = 0; k < vw_study_n_keys; k++)
      if (strlen(vw_study_keys[k].key) == (size_t)(end - key - n) &&
          !strncmp(vw_study_keys[k].key, key + n, (size_t)(end - key - n)))
        return vw_key_applies(&vw_study_keys[k], &config->models[i]);
  }
  return true;
}

/* A key that came later, at the value that was meant before there was the key: trials are the ones they were. */
static bool is_as_ever(const vw_key *o, const void *base) {
  char value[256] = "", expected[256];
  if (!o->as_ever) return false;
  FILE *out = fmemopen(value, sizeof value, "w");
  if (!out) return false;
  print_value(out, o, "", base);
  (void)fclose(out);
  (void)snprintf(expected, sizeof expected, ": %s\n", o->as_ever);
  return strcmp(value, expected) == 0;
}

/* What identifies a trial, or an evaluation: the keys that apply and do not say what was meant before them. */
static vw_status identity_text(const vw_study_config *config, int64_t model, int64_t data, bool judging, char **text) {
  const vw_model_config *m = &config->models[model];
  const vw_data_config *on = vw_study_data_of(config, model, data);
  const void *base[VW_SECTIONS] = {config, on, m, &m->learn, &m->trials, &m->plan, &m->judge, &m->truncation};
  size_t bytes = 0;
  *text = NULL;
  FILE *out = open_memstream(text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "no memory for the protocol's text");
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (o->of_stopping && !m->learn.patience) continue;
    if ((judging ? o->judging : o->protocol) && vw_key_applies(o, m) && !is_as_ever(o, base[o->section]))
      print_value(out, o, o->key, base[o->section]);
    if (judging && o->judged_with && is_named(o, m)) /* of the whole data set, whatever the model learns of it */
      print_value(out, o, o->key, &config->data[data]);
  }
  return close_text(out, text);
}

vw_status vw_study_protocol_text(const vw_study_config *config, int64_t model, int64_t data, char **text) {
  return identity_text(config, model, data, false, text);
}

vw_status vw_study_judging_text(const vw_study_config *config, int64_t model, int64_t data, char **text) {
  return identity_text(config, model, data, true, text);
}

/* The values of one section, keys written in full; not where things lie, nor the classes, which may be in a file. */
static void print_section(FILE *out, vw_section section, const void *base, const char *name, int optimiser) {
  const vw_shared_section *of = vw_section_shared(section);
  const char *before = section == VW_SEC_STUDY ? "" : section == VW_SEC_DATA ? "data." : "models.";
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    char key[256];
    if (o->section != section || o->type == VW_KEY_SECTION || o->type == VW_KEY_PATH || o->type == VW_KEY_CLASSES)
      continue;
    if (o->aside || (o->needs && o->needs != 1 + optimiser)) continue;
    if (section == VW_SEC_DATA && !vw_key_is_of_kind(o, base)) continue;
    (void)snprintf(key, sizeof key, "%s%s%s%s%s%s", before, name, section == VW_SEC_STUDY ? "" : ".", of ? of->key : "",
                   of ? "." : "", vw_key_name(o));
    print_value(out, o, key, base);
  }
}

vw_status vw_study_values_text(const vw_study_config *config, char **text) {
  size_t bytes = 0;
  *text = NULL;
  FILE *out = open_memstream(text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "no memory for the study's values");
  print_section(out, VW_SEC_STUDY, config, "", 0);
  for (int64_t i = 0; i < config->n_data; i++)
    print_section(out, VW_SEC_DATA, &config->data[i], config->data[i].name, 0);
  for (int64_t i = 0; i < config->n_models; i++) {
    const vw_model_config *m = &config->models[i];
    print_section(out, VW_SEC_MODEL, m, m->name, 0);
    for (int s = VW_SEC_LEARN; s < VW_SECTIONS; s++)
      print_section(out, (vw_section)s, (const char *)m + vw_section_shared((vw_section)s)->offset, m->name,
                    m->learn.optimiser);
  }
  return close_text(out, text);
}
