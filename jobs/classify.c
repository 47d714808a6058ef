/* `viswords classify`: names pictures with a CLIP directory. The candidates are plain names, learned words of a study
 * and words in files; each stands in the template. Pictures are looked at one at a time; one that cannot be read is
 * told and the others go on. */
#include "core/text.h"
#include "io/json.h"
#include "io/pictures/preprocess.h"
#include "jobs/encode.h"
#include "jobs/session.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct classifying {
  vw_context ctx;
  vw_clip_network *n;
  vw_encode_inputs in;
  void *candidates; /* [names + words, p] */
  void *feature;    /* [p] of a picture */
  uint8_t *rgb;     /* [S, S, 3] */
  double *pixels;   /* [S, S, 3] */
  double *share;    /* [candidates] softmax of the logits */
  int64_t *order;   /* [candidates] best first */
  int64_t top;
  unsigned look;
  bool json;
} classifying;

typedef struct classify_options {
  const char *backend, *exif, *alpha;
  vw_option_list names, name_files, words;
  int64_t threads;
} classify_options;

static int64_t n_candidates(const classifying *c) {
  return c->in.texts.n + c->in.words.n;
}

static const char *candidate(const classifying *c, int64_t i) {
  return i < c->in.texts.n ? c->in.texts.text[i] : c->in.words.word[i - c->in.texts.n].from.name;
}

/* ---- candidates -------------------------------------------------------------------------------------------------- */

static vw_status make_room(classifying *c) {
  const size_t n = (size_t)n_candidates(c), one = vw_clip_feature_bytes(c->n);
  const size_t values = (size_t)(c->n->vision.image_size * c->n->vision.image_size * 3);
  c->candidates = malloc((n + 1) * one), c->feature = malloc(one);
  c->rgb = malloc(values), c->pixels = malloc(values * sizeof *c->pixels);
  c->share = malloc((n + 1) * sizeof *c->share), c->order = malloc((n + 1) * sizeof *c->order);
  VW_CHECK(c->candidates && c->feature && c->rgb && c->pixels && c->share && c->order, VW_ERR_MEMORY,
           "classify: out of memory for %zu names", n);
  return VW_OK;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static vw_status encode_picture(const classifying *c, vw_image_encoder *encoder, const char *path) {
  const vw_preprocess *how = &c->n->hub.preprocess;
  vw_image image = {0};
  VW_TRY(vw_image_read(path, c->look, &image));
  const vw_status st = vw_preprocess_pixels(how, &image, c->rgb);
  vw_image_free(&image);
  if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "%s", path);
  vw_preprocess_normalise_f64(how, c->rgb, how->crop * how->crop, c->pixels);
  return vw_image_encoder_run(encoder, c->pixels, c->feature);
}

/* Logits to shares; the order puts the best first, of equal ones the first given. */
static vw_status rank(classifying *c) {
  const int64_t n = n_candidates(c);
  double most = -INFINITY, sum = 0;
  VW_TRY(vw_clip_logits(c->n, c->feature, 1, c->candidates, n, c->share));
  for (int64_t i = 0; i < n; i++) most = fmax(most, c->share[i]);
  for (int64_t i = 0; i < n; i++) {
    int64_t at = i;
    for (; at > 0 && c->share[c->order[at - 1]] < c->share[i]; at--) c->order[at] = c->order[at - 1];
    c->order[at] = i;
  }
  for (int64_t i = 0; i < n; i++) sum += c->share[i] = exp(c->share[i] - most);
  for (int64_t i = 0; i < n; i++) c->share[i] /= sum;
  return VW_OK;
}

static vw_status print_json(const classifying *c, const char *path, bool first) {
  json_t *best = json_array();
  for (int64_t i = 0; i < c->top && i < n_candidates(c); i++)
    json_array_append_new(
        best, json_pack("{s:o, s:f}", "name", vw_json_name(candidate(c, c->order[i])), "share", c->share[c->order[i]]));
  json_t *line = json_pack("{s:o, s:o}", "picture", vw_json_name(path), "best", best);
  VW_CHECK(line, VW_ERR_MEMORY, "classify: out of memory");
  (void)vw_print(stdout, first ? "\n  " : ",\n  ");
  (void)vw_json_print(line, JSON_COMPACT | JSON_REAL_PRECISION(6), stdout);
  json_decref(line);
  return VW_OK;
}

static void print_line(const classifying *c, const char *path, int width) {
  (void)vw_print(stdout, "%-*s", width, path);
  for (int64_t i = 0; i < c->top && i < n_candidates(c); i++)
    (void)vw_print(stdout, "%s%5.1f %% %s", i ? "  " : " ", 100 * c->share[c->order[i]], candidate(c, c->order[i]));
  (void)vw_print(stdout, "\n");
}

static int widest(const vw_text_list *paths) {
  enum { MOST = 60 };
  int most = 0;
  for (int64_t i = 0; i < paths->n; i++) {
    const int n = (int)strlen(paths->text[i]);
    if (n <= MOST && n > most) most = n;
  }
  return most;
}

/* All pictures; returns the first failure after all others. */
static vw_status classify_all(classifying *c) {
  vw_image_encoder *encoder = NULL;
  vw_status failed = VW_OK;
  const int width = widest(&c->in.pictures);
  bool first = true;
  VW_TRY(vw_image_encoder_create(&encoder, c->n));
  for (int64_t i = 0; i < c->in.pictures.n; i++) {
    const char *path = c->in.pictures.text[i];
    vw_status st = encode_picture(c, encoder, path);
    if (st == VW_OK) st = rank(c);
    if (st == VW_OK && c->json)
      st = print_json(c, path, first);
    else if (st == VW_OK)
      print_line(c, path, width);
    if (st == VW_OK) first = false;
    if (st == VW_OK) continue;
    failed = failed == VW_OK ? st : failed;
    if (st != VW_ERR_INPUT && st != VW_ERR_IO) break; /* no other picture would do better */
    (void)vw_print(stderr, "viswords: %s\n", vw_error_message());
    vw_error_clear();
  }
  vw_image_encoder_destroy(encoder);
  return failed;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static vw_status gather(classifying *c, const classify_options *o, const char *const *positional, int n) {
  VW_TRY(vw_encode_add_texts(&c->in, &o->names, &o->name_files, false));
  for (int64_t i = 0; i < o->words.n; i++)
    VW_TRY(vw_word_list_add_named(&c->in.words, o->words.text[i], c->n->net.text.tower.t.width));
  for (int i = 1; i < n && positional[i]; i++) VW_TRY(vw_encode_add_pictures(&c->in, positional[i]));
  VW_CHECK(n_candidates(c) > 0, VW_ERR_ARG, "classify: no name to choose from: give --names, --name or --words");
  VW_CHECK(c->in.pictures.n > 0, VW_ERR_ARG, "classify: no picture to name: give pictures or folders");
  for (int64_t i = 0; i < c->in.texts.n; i++)
    for (int64_t k = 0; k < i; k++)
      VW_CHECK(strcmp(c->in.texts.text[i], c->in.texts.text[k]) != 0, VW_ERR_INPUT,
               "classify: the name '%s' is given twice: each would get half of the other's share", c->in.texts.text[i]);
  return VW_OK;
}

static vw_status classify(classifying *c, const classify_options *o, const char *const *positional, int n) {
  vw_backend backend = VW_CPU;
  VW_TRY(vw_backend_named(o->backend, &backend));
  VW_TRY(vw_encode_look("classify", o->exif, o->alpha, &c->look));
  VW_CHECK(strstr(c->in.word_template, "{}"), VW_ERR_ARG, "classify: --template '%s' has no {}", c->in.word_template);
  const int64_t threads = o->threads > 0 ? o->threads : sysconf(_SC_NPROCESSORS_ONLN);
  VW_TRY(vw_context_open(&c->ctx, backend, (int)threads, 0));
  VW_TRY(vw_clip_network_open(&c->n, positional[0], &c->ctx));
  VW_TRY(vw_hub_clip_check_finite(&c->n->hub));
  VW_TRY(gather(c, o, positional, n));
  VW_TRY(make_room(c));
  VW_TRY(vw_encode_candidates(&c->in, c->n, c->candidates));
  if (c->json) (void)vw_print(stdout, "{\"pictures\": [");
  const vw_status st = classify_all(c);
  if (c->json) (void)vw_print(stdout, "]}\n");
  return st;
}

static void classifying_free(classifying *c) {
  vw_clip_network_close(c->n);
  if (c->ctx.threads) vw_context_close(&c->ctx);
  vw_encode_inputs_free(&c->in);
  free(c->candidates), free(c->feature), free(c->rgb), free(c->pixels), free(c->share), free(c->order);
}

int vw_job_classify(int argc, char **argv) {
  classifying c = {.in = {.word_template = "a photo of a {}"}, .top = 5};
  classify_options o = {.backend = "auto", .exif = "ignore", .alpha = "drop"};
  const char **room = calloc(4 * (size_t)argc + 8, sizeof *room), **positional = room + 3 * argc;
  if (!room) return vw_report(VW_RAISE(VW_ERR_MEMORY, "classify: out of memory"));
  o.names.text = room, o.name_files.text = room + argc, o.words.text = room + 2 * argc;
  const vw_option options[] = {
      {"names", 'n', VW_OPT_LIST, &o.name_files, "FILE", "names to choose from, one a line; -: standard input"},
      {"name", 0, VW_OPT_LIST, &o.names, "NAME", "a name; may be given again and again"},
      {"words", 'w', VW_OPT_LIST, &o.words, "PATH[:PART,...]",
       "learned words: an output directory, a block or safetensors file; PART: a model, a trial's id, a concept, an "
       "anchor; fox+dog: both"},
      {"template", 0, VW_OPT_STRING, &c.in.word_template, "TEXT",
       "where names and words stand; default 'a photo of a {}'"},
      {"top", 'k', VW_OPT_COUNT, &c.top, "N", "names shown for each picture; default 5"},
      {"exif", 0, VW_OPT_STRING, &o.exif, "HOW", "ignore (as transformers does; default) or turn"},
      {"alpha", 0, VW_OPT_STRING, &o.alpha, "HOW", "drop (as transformers 4 does; default) or white"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref (double, slow), cpu, cuda"},
      {"threads", 0, VW_OPT_COUNT, &o.threads, "N", "default: all cores"},
      {"json", 0, VW_OPT_FLAG, &c.json, NULL, "one JSON object"},
      {0}};
  static const char *const names[] = {"MODEL_DIR"};
  const vw_command_line line = {"classify",
                                "MODEL_DIR PICTURE|FOLDER... --names FILE [--words PATH[:PART,...]]...",
                                "Names pictures: the best of the given names and learned words, with their shares "
                                "(softmax of the network's logits).",
                                options,
                                names,
                                1,
                                argc + 1};
  int code = 0;
  if (vw_begin(&line, argc, argv, positional, &code)) {
    code = vw_report(classify(&c, &o, positional, argc + 1));
    classifying_free(&c);
  }
  free((void *)room);
  return code;
}
