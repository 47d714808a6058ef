/* `viswords encode`: what a CLIP directory makes of given texts, learned words and pictures: tokens, features,
 * similarities. Pictures are read and encoded one at a time; only features stay in memory. */
#include "jobs/encode.h"

#include "core/durable.h"
#include "core/text.h"
#include "io/json.h"
#include "io/pictures/preprocess.h"
#include "jobs/session.h"
#include "tasks/classify/classify_judge.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct encoding {
  vw_context ctx;
  vw_clip_network *n;
  vw_encode_inputs in;
  void *texts;    /* [texts + words, p] unit-length features: the candidates of every picture */
  void *pictures; /* [pictures, p] */
  double *pixels; /* [S, S, 3] */
  uint8_t *rgb;   /* [S, S, 3] */
  double *row;    /* [candidates]: logits, then cosines */
  int64_t top;    /* candidates shown */
  bool json;
  unsigned look; /* at pictures */
} encoding;

static int64_t candidates(const encoding *e) {
  return e->in.texts.n + e->in.words.n;
}
static const char *candidate(const encoding *e, int64_t i) {
  return i < e->in.texts.n ? e->in.texts.text[i] : e->in.words.word[i - e->in.texts.n].from.name;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

static vw_status encode_candidates(encoding *e) {
  const size_t bytes = (size_t)(candidates(e) + 1) * vw_clip_feature_bytes(e->n);
  e->texts = malloc(bytes), e->row = malloc((size_t)(candidates(e) + 1) * sizeof *e->row);
  VW_CHECK(e->texts && e->row, VW_ERR_MEMORY, "encode: out of memory for %" PRId64 " texts and words", candidates(e));
  if (e->in.texts.n) VW_TRY(vw_clip_encode_text(e->n, e->in.texts.text, e->in.texts.n, e->texts));
  return vw_encode_words(&e->in.words, e->in.word_template, e->n,
                         (char *)e->texts + (size_t)e->in.texts.n * vw_clip_feature_bytes(e->n));
}

static vw_status read_picture(const encoding *e, const char *path, int64_t *height, int64_t *width) {
  const int64_t S = e->n->vision.image_size;
  vw_image image;
  VW_TRY(vw_image_read(path, e->look, &image));
  *height = image.height, *width = image.width;
  const vw_status st = vw_preprocess_pixels(&e->n->hub.preprocess, &image, e->rgb);
  vw_image_free(&image);
  VW_TRY(st);
  vw_preprocess_normalise_f64(&e->n->hub.preprocess, e->rgb, S * S, e->pixels);
  return VW_OK;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static vw_status dump(json_t *x, const char *before) {
  VW_CHECK(x, VW_ERR_MEMORY, "encode: out of memory");
  (void)fputs(before, stdout);
  (void)vw_json_print(x, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9), stdout);
  json_decref(x);
  return VW_OK;
}

static json_t *numbers(const double *x, int64_t n) {
  json_t *list = json_array();
  for (int64_t i = 0; i < n; i++) json_array_append_new(list, json_real(x[i]));
  return list;
}

static vw_status print_text(const encoding *e, int64_t i, int32_t *ids) {
  const char *text = e->in.texts.text[i];
  int64_t n = 0;
  VW_TRY(vw_tokenizer_encode(e->n->net.text.tokenizer, text, ids, e->n->net.text.tower.positions, &n));
  json_t *tokens = json_array();
  if (!e->json) (void)vw_print(stdout, "%s\n   ", text);
  for (int64_t k = 0; k < n; k++) {
    const char *piece = vw_tokenizer_text(e->n->net.text.tokenizer, ids[k]);
    if (e->json)
      json_array_append_new(tokens, json_pack("{s:i, s:o}", "id", ids[k], "piece", vw_json_name(piece ? piece : "")));
    else
      (void)vw_print(stdout, " %d %s", ids[k], piece ? piece : "?");
  }
  if (!e->json) (void)vw_print(stdout, "\n");
  if (e->json) return dump(json_pack("{s:o, s:o}", "text", vw_json_name(text), "tokens", tokens), i ? ",\n  " : "\n  ");
  json_decref(tokens);
  return VW_OK;
}

static vw_status print_texts(const encoding *e) {
  int32_t *ids = malloc((size_t)e->n->net.text.tower.positions * sizeof *ids);
  vw_status st = VW_OK;
  VW_CHECK(ids, VW_ERR_MEMORY, "encode: out of memory");
  if (e->json) (void)vw_print(stdout, " \"texts\": [");
  for (int64_t i = 0; st == VW_OK && i < e->in.texts.n; i++) st = print_text(e, i, ids);
  free(ids);
  if (e->json) (void)vw_print(stdout, "],\n");
  return st;
}

static vw_status print_words(const encoding *e) {
  if (e->json) (void)vw_print(stdout, " \"words\": [");
  for (int64_t i = 0; i < e->in.words.n; i++) {
    if (e->json)
      VW_TRY(dump(vw_json_name(e->in.words.word[i].from.name), i ? ",\n  " : "\n  "));
    else
      (void)vw_print(stdout, "%s\n    in '%s'\n", e->in.words.word[i].from.name, e->in.word_template);
  }
  if (e->json) (void)vw_print(stdout, "],\n");
  return VW_OK;
}

/* e->row holds logits: to shares (softmax) in `share`, and to cosines in place. */
static void to_shares(const encoding *e, double *share) {
  const int64_t n = candidates(e);
  double most = e->row[0], sum = 0;
  for (int64_t i = 1; i < n; i++) most = e->row[i] > most ? e->row[i] : most;
  for (int64_t i = 0; i < n; i++) sum += share[i] = exp(e->row[i] - most);
  for (int64_t i = 0; i < n; i++) share[i] /= sum, e->row[i] /= e->n->scale;
}

/* The best candidates by cosine, but for `skip`; share NULL: none is shown. */
static void print_best(const encoding *e, const double *share, int64_t skip) {
  const int64_t n = candidates(e);
  double below = INFINITY;
  int64_t last = -1;
  for (int64_t shown = 0; shown < e->top && shown < n - (skip >= 0); shown++) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
      const bool done = e->row[i] > below || (e->row[i] == below && i <= last);
      if (i != skip && !done && (best < 0 || e->row[i] > e->row[best])) best = i;
    }
    if (best < 0) return;
    (void)vw_print(stdout, "    %7.4f ", e->row[best]);
    if (share) (void)vw_print(stdout, " %5.1f %% ", 100 * share[best]);
    (void)vw_print(stdout, " %s\n", candidate(e, best));
    below = e->row[best], last = best;
  }
}

static vw_status print_picture(const encoding *e, int64_t i, int64_t height, int64_t width) {
  const char *path = e->in.pictures.text[i];
  const int64_t n = candidates(e);
  double *share = malloc((size_t)(n + 1) * sizeof *share);
  vw_status st = VW_OK;
  VW_CHECK(share, VW_ERR_MEMORY, "encode: out of memory");
  const void *feature = (const char *)e->pictures + (size_t)i * vw_clip_feature_bytes(e->n);
  if (n) VW_GOTO(vw_clip_logits(e->n, feature, 1, e->texts, n, e->row));
  if (n) to_shares(e, share);
  if (e->json) {
    st = dump(json_pack("{s:o, s:I, s:I, s:o, s:o}", "picture", vw_json_name(path), "width", (json_int_t)width,
                        "height", (json_int_t)height, "cosine", numbers(e->row, n), "share", numbers(share, n)),
              i ? ",\n  " : "\n  ");
  } else {
    (void)vw_print(stdout, "%s (%" PRId64 " x %" PRId64 ")\n", path, width, height);
    print_best(e, share, -1);
  }
cleanup:
  free(share);
  return st;
}

static vw_status encode_pictures(encoding *e) {
  const int64_t S = e->n->vision.image_size;
  const size_t one = vw_clip_feature_bytes(e->n);
  vw_image_encoder *encoder = NULL;
  int64_t height, width;
  vw_status st = VW_OK;
  e->pictures = malloc((size_t)(e->in.pictures.n + 1) * one);
  e->rgb = malloc((size_t)(S * S * 3)), e->pixels = malloc((size_t)(S * S * 3) * sizeof *e->pixels);
  VW_CHECK(e->pictures && e->rgb && e->pixels, VW_ERR_MEMORY, "encode: out of memory");
  if (e->json) (void)vw_print(stdout, " \"pictures\": [");
  if (!e->json && e->in.pictures.n && candidates(e))
    (void)vw_print(stdout, "\ncosine, and share among the %" PRId64 " texts and words (softmax of %.2f x cosine):\n",
                   candidates(e), e->n->scale);
  VW_GOTO(vw_image_encoder_create(&encoder, e->n));
  for (int64_t i = 0; i < e->in.pictures.n; i++) {
    VW_GOTO(read_picture(e, e->in.pictures.text[i], &height, &width));
    VW_GOTO(vw_image_encoder_run(encoder, e->pixels, (char *)e->pictures + (size_t)i * one));
    VW_GOTO(print_picture(e, i, height, width));
  }
  if (e->json) (void)vw_print(stdout, "],\n");
cleanup:
  vw_image_encoder_destroy(encoder);
  return st;
}

/* Cosines of the texts and words among each other. */
static vw_status print_candidates(const encoding *e) {
  const int64_t n = candidates(e);
  const size_t one = vw_clip_feature_bytes(e->n);
  if (e->json) (void)vw_print(stdout, " \"cosine_of_texts_and_words\": [");
  if (!e->json && n > 1) (void)vw_print(stdout, "\ncosine among texts and words:\n");
  for (int64_t i = 0; i < n && (e->json || n > 1); i++) {
    VW_TRY(vw_clip_logits(e->n, (const char *)e->texts + (size_t)i * one, 1, e->texts, n, e->row));
    for (int64_t k = 0; k < n; k++) e->row[k] /= e->n->scale;
    if (e->json) {
      VW_TRY(dump(numbers(e->row, n), i ? ",\n  " : "\n  "));
    } else {
      (void)vw_print(stdout, "%s\n", candidate(e, i));
      print_best(e, NULL, i);
    }
  }
  if (e->json) (void)vw_print(stdout, "]\n");
  return VW_OK;
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

enum { TEXTS, WORDS, PICTURES, KINDS }; /* of what a file of features holds */

static char *names_of(const encoding *e, int kind) {
  const vw_text_list *list = kind == TEXTS ? &e->in.texts : &e->in.pictures;
  const int64_t n = kind == WORDS ? e->in.words.n : list->n;
  json_t *names = json_array();
  for (int64_t i = 0; i < n; i++)
    json_array_append_new(names, vw_json_name(kind == WORDS ? e->in.words.word[i].from.name : list->text[i]));
  char *text = json_dumps(names, JSON_COMPACT);
  json_decref(names);
  return text;
}

/* texts, words, pictures [n, p]: those that there are; their names as JSON lists in the metadata. */
static vw_status write_features(const encoding *e, const char *path) {
  static const char *const kinds[KINDS] = {"texts", "words", "pictures"};
  const int64_t counts[KINDS] = {e->in.texts.n, e->in.words.n, e->in.pictures.n};
  char *const data[] = {e->texts, (char *)e->texts + (size_t)e->in.texts.n * vw_clip_feature_bytes(e->n), e->pictures};
  vw_safetensors_entry entries[KINDS];
  vw_keyvalue metadata[KINDS + 1] = {{"model", e->n->net.dir}};
  char *names[KINDS] = {0};
  int n = 0;
  vw_status st = VW_OK;
  for (int i = 0; i < KINDS; i++) {
    if (!counts[i]) continue;
    names[n] = names_of(e, i);
    if (!names[n]) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "encode: out of memory"));
    entries[n] = (vw_safetensors_entry){
        kinds[i], vw_shape(vw_clip_feature_type(e->n), counts[i], e->n->net.text.tower.projection)};
    entries[n].tensor.data = data[i];
    metadata[n + 1] = (vw_keyvalue){kinds[i], names[n]};
    n++;
  }
  VW_GOTO(vw_hub_clip_unchanged(&e->n->hub));
  st = vw_safetensors_write(path, entries, n, metadata, n + 1);
cleanup:
  for (int i = 0; i < KINDS; i++) free(names[i]);
  return st;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

typedef struct encode_options {
  const char *backend, *exif, *alpha, *features, *only;
  vw_option_list texts, text_files, words;
  bool fill;
  int64_t threads;
} encode_options;

static vw_status gather(encoding *e, const encode_options *o, const char *const *positional, int n) {
  VW_TRY(vw_encode_add_texts(&e->in, &o->texts, &o->text_files, o->fill));
  for (int64_t i = 0; i < o->words.n; i++)
    VW_TRY(vw_word_list_add(&e->in.words, o->words.text[i], o->only, e->n->net.text.tower.t.width));
  for (int i = 1; i < n && positional[i]; i++) VW_TRY(vw_encode_add_pictures(&e->in, positional[i]));
  VW_CHECK(candidates(e) + e->in.pictures.n > 0, VW_ERR_ARG,
           "encode: nothing to encode: give --text, --texts, --words or pictures");
  return VW_OK;
}

static vw_status encode(encoding *e, const encode_options *o, const char *const *positional, int n) {
  vw_backend backend = VW_CPU;
  VW_TRY(vw_backend_named(o->backend, &backend));
  VW_TRY(vw_encode_look("encode", o->exif, o->alpha, &e->look));
  VW_CHECK(strstr(e->in.word_template, "{}"), VW_ERR_ARG, "encode: --template '%s' has no {}", e->in.word_template);
  const int64_t threads = o->threads > 0 ? o->threads : sysconf(_SC_NPROCESSORS_ONLN);
  VW_TRY(vw_context_open(&e->ctx, backend, (int)threads, 0));
  VW_TRY(vw_clip_network_open(&e->n, positional[0], &e->ctx));
  VW_TRY(vw_hub_clip_check_finite(&e->n->hub));
  VW_TRY(gather(e, o, positional, n));
  VW_TRY(encode_candidates(e));
  if (e->json) VW_TRY(dump(vw_json_name(e->n->net.dir), "{\"model\": "));
  if (e->json)
    (void)vw_print(stdout, ", \"backend\": \"%s\", \"logit_scale\": %.9g,\n", vw_backend_name(backend), e->n->scale);
  VW_TRY(print_texts(e));
  VW_TRY(print_words(e));
  VW_TRY(encode_pictures(e));
  if (e->json || !e->in.pictures.n) VW_TRY(print_candidates(e));
  if (e->json) (void)vw_print(stdout, "}\n");
  return o->features ? write_features(e, o->features) : VW_OK;
}

static void encoding_free(encoding *e) {
  vw_clip_network_close(e->n);
  if (e->ctx.threads) vw_context_close(&e->ctx);
  vw_encode_inputs_free(&e->in);
  free(e->texts), free(e->pictures), free(e->pixels), free(e->rgb), free(e->row);
}

int vw_job_encode(int argc, char **argv) {
  encoding e = {.in = {.word_template = "a photo of a {}"}, .top = 5};
  encode_options o = {.backend = "auto", .exif = "ignore", .alpha = "drop"};
  const char **room = calloc(4 * (size_t)argc + 8, sizeof *room), **positional = room + 3 * argc;
  if (!room) return vw_report(VW_RAISE(VW_ERR_MEMORY, "encode: out of memory"));
  o.texts.text = room, o.text_files.text = room + argc, o.words.text = room + 2 * argc;
  const vw_option options[] = {
      {"text", 't', VW_OPT_LIST, &o.texts, "TEXT", "a text; may be given again and again"},
      {"texts", 0, VW_OPT_LIST, &o.text_files, "FILE", "texts, one a line; -: standard input"},
      {"words", 'w', VW_OPT_LIST, &o.words, "PATH", "learned words: an output directory, a block or safetensors file"},
      {"only", 0, VW_OPT_STRING, &o.only, "PART", "of the words, those whose name holds PART"},
      {"template", 0, VW_OPT_STRING, &e.in.word_template, "TEXT", "where words stand; default 'a photo of a {}'"},
      {"fill", 0, VW_OPT_FLAG, &o.fill, NULL, "put every text into the template too"},
      {"exif", 0, VW_OPT_STRING, &o.exif, "HOW", "ignore (as transformers does; default) or turn"},
      {"alpha", 0, VW_OPT_STRING, &o.alpha, "HOW", "drop (as transformers 4 does; default) or white"},
      {"top", 0, VW_OPT_COUNT, &e.top, "N", "texts and words shown for each picture; default 5"},
      {"features", 'f', VW_OPT_STRING, &o.features, "FILE", "write unit-length features to a safetensors file"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref (double, slow), cpu, cuda"},
      {"threads", 0, VW_OPT_COUNT, &o.threads, "N", "default: all cores"},
      {"json", 0, VW_OPT_FLAG, &e.json, NULL, "everything as one JSON object"},
      {0}};
  static const char *const names[] = {"MODEL_DIR"};
  const vw_command_line c = {"encode",
                             "MODEL_DIR [--text TEXT]... [--words PATH]... [PICTURE|FOLDER]...",
                             "Shows what a CLIP directory makes of texts, learned words and pictures: tokens, and how "
                             "similar they are.",
                             options,
                             names,
                             1,
                             argc + 1};
  int code = 0;
  if (vw_begin(&c, argc, argv, positional, &code)) {
    code = vw_report(encode(&e, &o, positional, argc + 1));
    encoding_free(&e);
  }
  free((void *)room);
  return code;
}
