/* `viswords detect`: finds things in pictures with an OWL-v2 directory. What is looked for are plain names, learned
 * words of a study and words in files; each stands in the template. Every picture gets a PNG copy with labelled boxes
 * and a JSON file of them beside it. A picture that cannot be read is told and the others go on. */
#include "tasks/detect/detected.h"

#include "core/durable.h"
#include "core/log.h"
#include "core/text.h"
#include "io/json.h"
#include "io/pictures/draw.h"
#include "jobs/encode.h"
#include "jobs/session.h"
#include "tasks/detect/detect.h"
#include "tasks/leaves.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct detecting {
  vw_context ctx;
  vw_owlv2_network *n;
  vw_encode_inputs in;
  vw_detect_limits limits;
  void *queries;    /* [whole tiles, projection] */
  vw_patches patch; /* of one picture */
  vw_owlv2_encoder *encoder;
  vw_graph *graph; /* of a tile of queries at the picture */
  vw_program *program;
  float *square;        /* [S, S, 3] */
  double *pixels;       /* [S, S, 3] */
  double *logits;       /* [tile, N] */
  vw_detected_box *box; /* [candidates * N] */
  const char *out;      /* folder of what is drawn; NULL: nothing is */
  size_t common;        /* bytes of the folders that all pictures share */
  unsigned look;
  bool json, prepared, told_font;
} detecting;

typedef struct detect_options {
  const char *backend, *exif, *alpha, *pad;
  vw_option_list names, name_files, words;
  int64_t threads;
} detect_options;

static int64_t n_candidates(const detecting *d) {
  return d->in.texts.n + d->in.words.n;
}

static const char *candidate(const detecting *d, int64_t i) {
  return i < d->in.texts.n ? d->in.texts.text[i] : d->in.words.word[i - d->in.texts.n].from.name;
}

/* ---- one picture ------------------------------------------------------------------------------------------------- */

static vw_status make_ready(detecting *d) {
  const int64_t tiles = (n_candidates(d) + VW_DETECT_WORDS - 1) / VW_DETECT_WORDS, N = vw_owlv2_patches(d->n);
  const size_t values = (size_t)(d->n->square.size * d->n->square.size * 3);
  const int32_t zero = 0;
  d->queries = calloc((size_t)(tiles * VW_DETECT_WORDS) + 1, vw_clip_feature_bytes(&d->n->clip));
  d->square = malloc(values * sizeof *d->square), d->pixels = malloc(values * sizeof *d->pixels);
  d->logits = malloc((size_t)(VW_DETECT_WORDS * N) * sizeof *d->logits);
  d->box = malloc((size_t)(n_candidates(d) * N + 1) * sizeof *d->box);
  VW_CHECK(d->queries && d->square && d->pixels && d->logits && d->box, VW_ERR_MEMORY,
           "detect: out of memory for %" PRId64 " names", n_candidates(d));
  VW_TRY(vw_patches_create(&d->patch, d->n, 1));
  VW_TRY(vw_owlv2_encoder_create(&d->encoder, d->n));
  VW_TRY(vw_graph_create(&d->graph));
  VW_TRY(vw_detect_logits_graph(d->graph, d->n, VW_DETECT_WORDS));
  VW_TRY(vw_program_create(&d->program, d->graph, &d->ctx, &d->n->clip.net.policy));
  return vw_write_leaf(d->program, d->graph, "picture", vw_shape(VW_I32, 1, 1), &zero);
}

/* A tile of queries from `first` on: their logits at all patches. */
static vw_status run_tile(detecting *d, int64_t first) {
  const int64_t words = VW_DETECT_WORDS, one = 1, N = d->patch.N;
  const char *q = (const char *)d->queries + (size_t)first * vw_clip_feature_bytes(&d->n->clip);
  VW_TRY(vw_write_leaf(d->program, d->graph, "q", vw_shape(vw_clip_feature_type(&d->n->clip), words, d->patch.C), q));
  if (!d->prepared) VW_TRY(vw_program_prepare(d->program));
  d->prepared = true;
  VW_TRY(vw_program_run(d->program));
  return vw_read_leaf(d->program, d->graph, "logits", vw_shape(VW_F64, words, one, N), d->logits);
}

static vw_status write_patches(detecting *d) {
  const int64_t N = d->patch.N, one = 1;
  VW_TRY(vw_write_leaf(d->program, d->graph, "features", vw_shape(d->patch.type, one, N, d->patch.C),
                       d->patch.all.embedding));
  VW_TRY(vw_write_leaf(d->program, d->graph, "shift", vw_shape(VW_F64, one, N), d->patch.all.shift));
  return vw_write_leaf(d->program, d->graph, "scale", vw_shape(VW_F64, one, N), d->patch.all.scale);
}

/* All candidates at all patches that reach the threshold, then those that are kept. Boxes are parts of the padded
 * square, whose edge is the picture's longer side. */
static vw_status find(detecting *d, const vw_image *image, int64_t *kept) {
  const double side = (double)(image->width > image->height ? image->width : image->height);
  int64_t n = 0;
  VW_TRY(vw_square_pixels(&d->n->square, image, d->square));
  vw_square_normalise_f64(&d->n->square, d->square, d->n->square.size * d->n->square.size, d->pixels);
  VW_TRY(vw_owlv2_encoder_run(d->encoder, d->pixels, &d->patch.all));
  VW_TRY(write_patches(d));
  for (int64_t first = 0; first < n_candidates(d); first += VW_DETECT_WORDS) {
    VW_TRY(run_tile(d, first));
    for (int64_t i = 0; i < VW_DETECT_WORDS && first + i < n_candidates(d); i++)
      for (int64_t p = 0; p < d->patch.N; p++) {
        const double score = 1 / (1 + exp(-d->logits[i * d->patch.N + p])), *b = d->patch.all.boxes + 4 * p;
        if (!(score >= d->limits.threshold)) continue;
        d->box[n++] =
            (vw_detected_box){.name = first + i,
                              .patch = p,
                              .score = score,
                              .box = {(b[0] - b[2] / 2) * side, (b[1] - b[3] / 2) * side, b[2] * side, b[3] * side}};
      }
  }
  *kept = vw_detected_keep(d->box, n, &d->limits);
  return VW_OK;
}

/* ---- what is told and drawn -------------------------------------------------------------------------------------- */

/* "clip: fox from dog, delta 0.5, replica 0 (3f2a...)" is long for a label: "fox from dog, delta 0.5". */
static void short_name(const char *name, char *out, size_t bytes) {
  const char *begin = strstr(name, ": "), *end = strstr(name, ", replica ");
  begin = begin && end && begin < end ? begin + 2 : name;
  (void)snprintf(out, bytes, "%.*s", end && begin != name ? (int)(end - begin) : (int)strlen(begin), begin);
}

/* Small pictures are enlarged by a whole number, so that labels fit. */
static int64_t enlargement(const vw_image *image) {
  enum { READABLE = 640 };
  const int64_t side = image->width > image->height ? image->width : image->height;
  return side >= READABLE ? 1 : (READABLE + side - 1) / side;
}

static vw_status draw(detecting *d, const vw_image *image, int64_t n, const char *path) {
  vw_drawing *drawing = NULL;
  char name[128], label[160];
  VW_TRY(vw_drawing_create(&drawing, image, enlargement(image)));
  if (!d->told_font && n && !vw_drawing_has_font(drawing))
    vw_log(VW_LOG_WARN, "no font on this machine: labels have no letters; install one (fonts-dejavu-core)");
  d->told_font = true;
  for (int64_t i = n - 1; i >= 0; i--) vw_drawing_box(drawing, d->box[i].box, d->box[i].name);
  for (int64_t i = n - 1; i >= 0; i--) { /* the best last, on top */
    short_name(candidate(d, d->box[i].name), name, sizeof name);
    (void)snprintf(label, sizeof label, "%s %.2f", name, d->box[i].score);
    vw_drawing_label(drawing, d->box[i].box, label, d->box[i].name);
  }
  const vw_status st = vw_drawing_write(drawing, path);
  vw_drawing_destroy(drawing);
  return st;
}

static json_t *describe(const detecting *d, const char *path, const vw_image *image, int64_t n) {
  json_t *boxes = json_array();
  for (int64_t i = 0; i < n; i++) {
    const double *b = d->box[i].box;
    json_array_append_new(boxes,
                          json_pack("{s:o, s:f, s:[f, f, f, f]}", "name", vw_json_name(candidate(d, d->box[i].name)),
                                    "score", d->box[i].score, "box", b[0], b[1], b[2], b[3]));
  }
  return json_pack("{s:o, s:I, s:I, s:o}", "picture", vw_json_name(path), "width", (json_int_t)image->width, "height",
                   (json_int_t)image->height, "boxes", boxes);
}

/* "OUT/NAME" of a picture: its path below what all share, "/" as "_"; the ending goes. */
static vw_status stem_of(const detecting *d, const char *path, char stem[VW_PATH_BYTES]) {
  VW_TRY(vw_path_format(stem, "%s/%s", d->out, path + d->common));
  char *name = stem + strlen(d->out) + 1;
  char *dot = strrchr(name, '.');
  if (dot && dot > name) *dot = 0;
  for (; *name; name++)
    if (*name == '/') *name = '_';
  return VW_OK;
}

static vw_status write_out(detecting *d, const char *path, const vw_image *image, int64_t n, json_t *told) {
  char stem[VW_PATH_BYTES], file[VW_PATH_BYTES];
  VW_TRY(stem_of(d, path, stem));
  VW_TRY(vw_path_format(file, "%s.png", stem));
  VW_TRY(draw(d, image, n, file));
  VW_TRY(vw_path_format(file, "%s.json", stem));
  char *text = json_dumps(told, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
  VW_CHECK(text, VW_ERR_MEMORY, "%s: out of memory", file);
  const vw_status st = vw_file_write(file, text, (int64_t)strlen(text));
  free(text);
  return st;
}

static void print_boxes(const detecting *d, const char *path, int64_t n) {
  (void)vw_print(stdout, "%s: %" PRId64 " found\n", path, n);
  for (int64_t i = 0; i < n; i++) {
    const double *b = d->box[i].box;
    (void)vw_print(stdout, "    %.3f  %7.1f %7.1f %7.1f %7.1f  %s\n", d->box[i].score, b[0], b[1], b[2], b[3],
                   candidate(d, d->box[i].name));
  }
}

static vw_status detect_one(detecting *d, const char *path, bool first) {
  vw_image image = {0};
  int64_t n = 0;
  VW_TRY(vw_image_read(path, d->look, &image));
  vw_status st = find(d, &image, &n);
  json_t *told = st == VW_OK ? describe(d, path, &image, n) : NULL;
  if (st == VW_OK && !told) st = VW_RAISE(VW_ERR_MEMORY, "detect: out of memory");
  if (st == VW_OK && d->out) st = write_out(d, path, &image, n, told);
  if (st == VW_OK && d->json) {
    (void)vw_print(stdout, first ? "\n  " : ",\n  ");
    (void)vw_json_print(told, JSON_COMPACT | JSON_REAL_PRECISION(7), stdout);
  } else if (st == VW_OK) {
    print_boxes(d, path, n);
  }
  json_decref(told);
  vw_image_free(&image);
  return st == VW_OK ? VW_OK : vw_fail(st, __FILE__, __LINE__, "%s", path);
}

/* All pictures; returns the first failure after all others. */
static vw_status detect_all(detecting *d) {
  vw_status failed = VW_OK;
  bool first = true;
  for (int64_t i = 0; i < d->in.pictures.n; i++) {
    const vw_status st = detect_one(d, d->in.pictures.text[i], first);
    if (st == VW_OK) first = false;
    if (st == VW_OK) continue;
    failed = failed == VW_OK ? st : failed;
    if (st != VW_ERR_INPUT && st != VW_ERR_IO) break; /* no other picture would do better */
    (void)vw_print(stderr, "viswords: %s\n", vw_error_message());
    vw_error_clear();
  }
  return failed;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* Bytes up to the last '/' that all paths begin with. */
static size_t shared_folder(const vw_text_list *paths) {
  const char *first = paths->text[0];
  size_t n = strlen(first);
  for (int64_t i = 0; i < paths->n; i++) {
    size_t k = 0;
    while (k < n && paths->text[i][k] == first[k]) k++;
    n = k;
  }
  while (n && first[n - 1] != '/') n--;
  return n;
}

/* Two pictures would be drawn into one file. */
static vw_status check_stems(const detecting *d) {
  char a[VW_PATH_BYTES], b[VW_PATH_BYTES];
  for (int64_t i = 0; d->out && i < d->in.pictures.n; i++) {
    VW_TRY(stem_of(d, d->in.pictures.text[i], a));
    for (int64_t k = 0; k < i; k++) {
      VW_TRY(stem_of(d, d->in.pictures.text[k], b));
      VW_CHECK(strcmp(a, b) != 0, VW_ERR_INPUT, "detect: %s and %s would both be drawn as %s.png: give one of them",
               d->in.pictures.text[k], d->in.pictures.text[i], a);
    }
  }
  return VW_OK;
}

static vw_status gather(detecting *d, const detect_options *o, const char *const *positional, int n) {
  VW_TRY(vw_encode_add_texts(&d->in, &o->names, &o->name_files, false));
  for (int64_t i = 0; i < o->words.n; i++)
    VW_TRY(vw_word_list_add_named(&d->in.words, o->words.text[i], d->n->clip.net.text.tower.t.width));
  for (int i = 1; i < n && positional[i]; i++) VW_TRY(vw_encode_add_pictures(&d->in, positional[i]));
  VW_CHECK(n_candidates(d) > 0, VW_ERR_ARG, "detect: nothing to look for: give --name, --names or --words");
  VW_CHECK(d->in.pictures.n > 0, VW_ERR_ARG, "detect: no picture to look at: give pictures or folders");
  d->common = shared_folder(&d->in.pictures);
  VW_TRY(check_stems(d));
  return d->out ? vw_folder_make(d->out) : VW_OK;
}

static vw_status check_options(detecting *d, const detect_options *o) {
  VW_CHECK(strstr(d->in.word_template, "{}"), VW_ERR_ARG, "detect: --template '%s' has no {}", d->in.word_template);
  VW_CHECK(d->limits.threshold >= 0 && d->limits.threshold <= 1, VW_ERR_ARG, "detect: --threshold wants 0 to 1");
  VW_CHECK(d->limits.overlap > 0 && d->limits.overlap <= 1, VW_ERR_ARG,
           "detect: --overlap wants more than 0, at most 1");
  VW_CHECK(!strcmp(o->pad, "grey") || !strcmp(o->pad, "black"), VW_ERR_ARG, "detect: --pad '%s': choose grey or black",
           o->pad);
  return vw_encode_look("detect", o->exif, o->alpha, &d->look);
}

static vw_status detect(detecting *d, const detect_options *o, const char *const *positional, int n) {
  vw_backend backend = VW_CPU;
  VW_TRY(vw_backend_named(o->backend, &backend));
  VW_TRY(check_options(d, o));
  const int64_t threads = o->threads > 0 ? o->threads : sysconf(_SC_NPROCESSORS_ONLN);
  VW_TRY(vw_context_open(&d->ctx, backend, (int)threads, 0));
  VW_TRY(vw_owlv2_network_open(&d->n, positional[0], &d->ctx));
  VW_TRY(vw_hub_clip_check_finite(&d->n->clip.hub));
  if (!strcmp(o->pad, "black")) d->n->square.pad = 0;
  VW_TRY(gather(d, o, positional, n));
  VW_TRY(make_ready(d));
  VW_TRY(vw_encode_candidates(&d->in, &d->n->clip, d->queries));
  if (d->json) (void)vw_print(stdout, "{\"pictures\": [");
  const vw_status st = detect_all(d);
  if (d->json) (void)vw_print(stdout, "]}\n");
  return st;
}

static void detecting_free(detecting *d) {
  vw_program_destroy(d->program);
  vw_graph_destroy(d->graph);
  vw_owlv2_encoder_destroy(d->encoder);
  vw_patches_free(&d->patch);
  vw_owlv2_network_close(d->n);
  if (d->ctx.threads) vw_context_close(&d->ctx);
  vw_encode_inputs_free(&d->in);
  free(d->queries), free(d->square), free(d->pixels), free(d->logits), free(d->box);
}

int vw_job_detect(int argc, char **argv) {
  detecting d = {.in = {.word_template = "a photo of a {}"}, .limits = {.threshold = 0.1, .overlap = 1, .top = 20}};
  detect_options o = {.backend = "auto", .exif = "ignore", .alpha = "drop", .pad = "grey"};
  const char **room = calloc(4 * (size_t)argc + 8, sizeof *room), **positional = room + 3 * argc;
  if (!room) return vw_report(VW_RAISE(VW_ERR_MEMORY, "detect: out of memory"));
  o.names.text = room, o.name_files.text = room + argc, o.words.text = room + 2 * argc;
  const vw_option options[] = {
      {"name", 'n', VW_OPT_LIST, &o.names, "NAME", "a thing to look for; may be given again and again"},
      {"names", 0, VW_OPT_LIST, &o.name_files, "FILE", "things to look for, one a line; -: standard input"},
      {"words", 'w', VW_OPT_LIST, &o.words, "PATH[:PART,...]",
       "learned words: an output directory, a block or safetensors file; PART: a model, a trial's id, a concept, an "
       "anchor; fox+dog: both"},
      {"template", 0, VW_OPT_STRING, &d.in.word_template, "TEXT",
       "where names and words stand; default 'a photo of a {}'"},
      {"out", 'o', VW_OPT_STRING, &d.out, "DIR", "draw the boxes on PNG copies in DIR, with a JSON file beside each"},
      {"threshold", 't', VW_OPT_DOUBLE, &d.limits.threshold, "X", "least score; default 0.1"},
      {"top", 'k', VW_OPT_COUNT, &d.limits.top, "N", "boxes of a picture, at most; default 20"},
      {"overlap", 0, VW_OPT_DOUBLE, &d.limits.overlap, "X",
       "drop a box that overlaps a better one of its name by more than X (intersection over union); default 1: none"},
      {"exif", 0, VW_OPT_STRING, &o.exif, "HOW", "ignore (as transformers does; default) or turn"},
      {"alpha", 0, VW_OPT_STRING, &o.alpha, "HOW", "drop (as transformers 4 does; default) or white"},
      {"pad", 0, VW_OPT_STRING, &o.pad, "HOW", "around pictures: grey (as transformers 4 does; default) or black"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref (double, slow), cpu, cuda"},
      {"threads", 0, VW_OPT_COUNT, &o.threads, "N", "default: all cores"},
      {"json", 0, VW_OPT_FLAG, &d.json, NULL, "one JSON object"},
      {0}};
  static const char *const names[] = {"MODEL_DIR"};
  const vw_command_line line = {"detect",
                                "MODEL_DIR PICTURE|FOLDER... [--name NAME]... [--words PATH[:PART,...]]... [-o DIR]",
                                "Finds things in pictures: boxes x y width height in pixels, with their scores.",
                                options,
                                names,
                                1,
                                argc + 1};
  int code = 0;
  if (vw_begin(&line, argc, argv, positional, &code)) {
    code = vw_report(detect(&d, &o, positional, argc + 1));
    detecting_free(&d);
  }
  free((void *)room);
  return code;
}
