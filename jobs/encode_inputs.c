#include "jobs/encode.h"

#include "core/durable.h"
#include "core/foreign.h"
#include "core/text.h"
#include "io/block_file.h"
#include "io/safetensors.h"
#include "learn/block_io.h"
#include "study/config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void vw_encode_inputs_free(vw_encode_inputs *in) {
  free((void *)in->texts.text), free((void *)in->words.text), free((void *)in->pictures.text);
  free(in->vectors);
  vw_pool_fini(&in->pool);
}

static vw_status add(vw_encode_inputs *in, vw_text_list *list, const char *text) {
  if (list->n == list->room) {
    const int64_t room = list->room ? 2 * list->room : 16;
    const char **more = realloc((void *)list->text, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "encode: out of memory");
    list->text = more, list->room = room;
  }
  char *copy = vw_pool_text(&in->pool, text, -1);
  VW_CHECK(copy, VW_ERR_MEMORY, "encode: out of memory");
  list->text[list->n++] = copy;
  return VW_OK;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static vw_status add_text(vw_encode_inputs *in, const char *text, bool fill) {
  char filled[1024];
  if (!fill) return add(in, &in->texts, text);
  VW_TRY(vw_template_fill(in->word_template, text, filled, sizeof filled));
  return add(in, &in->texts, filled);
}

static vw_status add_lines(vw_encode_inputs *in, FILE *file, const char *path, bool fill) {
  char *line = NULL;
  size_t room = 0;
  ssize_t n;
  int64_t empty = 0;
  vw_status st = VW_OK;
  for (int64_t number = 1; st == VW_OK && (errno = 0, n = getline(&line, &room, file)) >= 0; number++) {
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
    if (strlen(line) != (size_t)n)
      st = VW_RAISE(VW_ERR_INPUT, "%s:%" PRId64 ": a 0 byte; expected UTF-8 text, one a line", path, number);
    else if (n > 0)
      st = add_text(in, line, fill);
    else
      empty++;
  }
  if (st == VW_OK && errno) st = VW_RAISE(VW_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
  free(line);
  if (st == VW_OK && empty) /* rows of the features are then not the file's lines */
    (void)vw_print(stderr, "%s: %" PRId64 " empty line%s left out\n", path, empty, empty == 1 ? " is" : "s are");
  return st;
}

vw_status vw_encode_add_texts(vw_encode_inputs *in, const vw_option_list *texts, const vw_option_list *files,
                              bool fill) {
  for (int64_t i = 0; i < texts->n; i++) VW_TRY(add_text(in, texts->text[i], fill));
  for (int64_t i = 0; i < files->n; i++) {
    const char *path = files->text[i];
    const bool standard = !strcmp(path, "-");
    int fd = -1;
    if (!standard) VW_TRY(vw_foreign_open(path, &fd, NULL));
    FILE *file = standard ? stdin : fdopen(fd, "r");
    if (!file) (void)close(fd);
    VW_CHECK(file, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    const vw_status st = add_lines(in, file, standard ? "standard input" : path, fill);
    if (!standard) (void)fclose(file);
    VW_TRY(st);
  }
  return VW_OK;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static vw_status add_word(vw_encode_inputs *in, const char *name, const vw_tensor *t, int64_t row, int64_t C) {
  if (in->words.n == in->vector_room) {
    const int64_t room = in->vector_room ? 2 * in->vector_room : 16;
    double *more = realloc(in->vectors, (size_t)(room * C) * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "encode: out of memory for %" PRId64 " words", room);
    in->vectors = more, in->vector_room = room;
  }
  const char *at = (const char *)t->data + (size_t)(row * C) * vw_dtype_bytes(t->dtype);
  VW_TRY(vw_convert(in->vectors + in->words.n * C, VW_F64, at, t->dtype, C));
  return add(in, &in->words, name);
}

/* Whether a name holds `only` (NULL: any will do), of chosen words all the parts between its '+'. */
static bool is_meant(const vw_encode_inputs *in, const char *name, const char *only) {
  if (!in->choice) return !only || strstr(name, only);
  for (const char *at = only; at && *at;) {
    char part[256];
    const size_t n = strcspn(at, "+");
    (void)snprintf(part, sizeof part, "%.*s", (int)n, at);
    if (!strstr(name, part)) return false;
    at += n + (at[n] == '+');
  }
  return true;
}

/* Two parts of a choice may name the same word. */
static bool is_chosen(const vw_encode_inputs *in, const char *name) {
  for (int64_t i = in->choice ? in->choice->first : in->words.n; i < in->words.n; i++)
    if (!strcmp(in->words.text[i], name)) return true;
  return false;
}

static bool is_float(vw_dtype t) {
  return t == VW_F32 || t == VW_F64 || t == VW_F16 || t == VW_BF16;
}

/* "clip: fox from dog, delta 0.5, replica 0 (3f2a...)" of one entry of a block file's metadata. */
static bool trial_name(const char *model, const json_t *trial, char *out, size_t bytes) {
  const char *concept = json_string_value(json_object_get(trial, "concept")),
             *anchor = json_string_value(json_object_get(trial, "anchor")),
             *delta = json_string_value(json_object_get(trial, "delta")),
             *id = json_string_value(json_object_get(trial, "id"));
  const json_t *replica = json_object_get(trial, "replica");
  if (!concept || !anchor || !delta || !id || !json_is_integer(replica)) return false;
  (void)snprintf(out, bytes, "%s: %s from %s, delta %s, replica %" JSON_INTEGER_FORMAT " (%.12s)", model, concept,
                 anchor, delta, json_integer_value(replica), id);
  return true;
}

/* The words of a block's trials. */
static vw_status add_block(vw_encode_inputs *in, const vw_safetensors *file, const char *trials, const char *only,
                           int64_t C) {
  const char *path = vw_safetensors_path(file), *model = vw_safetensors_metadata(file, "model");
  char name[512];
  size_t i;
  const json_t *trial;
  vw_tensor words;
  vw_status st = VW_OK;
  VW_TRY(vw_safetensors_find(file, "words", &words));
  if (words.ndim != 2 || words.dim[1] != C || !is_float(words.dtype)) return VW_OK; /* of another network */
  const char *of = in->choice ? in->choice->model : NULL;
  if (of && (!model || strcmp(of, model) != 0)) return VW_OK;
  json_t *list = json_loads(trials, 0, NULL);
  if (!list || (int64_t)json_array_size(list) != words.dim[0])
    st = VW_RAISE(VW_ERR_INPUT, "%s: metadata 'trials' does not list the %" PRId64 " words", path, words.dim[0]);
  else
    json_array_foreach(list, i, trial) {
      if (!trial_name(model ? model : "", trial, name, sizeof name)) {
        st = VW_RAISE(VW_ERR_INPUT, "%s: metadata 'trials', entry %zu: expected concept, anchor, delta, replica, id",
                      path, i);
        goto cleanup;
      }
      if (is_meant(in, name, only) && !is_chosen(in, name)) VW_GOTO(add_word(in, name, &words, (int64_t)i, C));
    }
cleanup:
  json_decref(list);
  return st;
}

/* Vectors and matrices of width C, whatever they are called. */
static vw_status add_vectors(vw_encode_inputs *in, const vw_safetensors *file, const char *only, int64_t C) {
  char name[512];
  for (int64_t i = 0; i < vw_safetensors_count(file); i++) {
    const vw_tensor t = vw_safetensors_tensor(file, i);
    if (t.ndim < 1 || t.ndim > 2 || vw_last_dim(&t) != C || !is_float(t.dtype)) continue;
    for (int64_t row = 0; row < vw_rows(&t); row++) {
      if (vw_rows(&t) == 1)
        (void)snprintf(name, sizeof name, "%s", vw_safetensors_name(file, i));
      else
        (void)snprintf(name, sizeof name, "%s[%" PRId64 "]", vw_safetensors_name(file, i), row);
      if (is_meant(in, name, only)) VW_TRY(add_word(in, name, &t, row, C));
    }
  }
  return VW_OK;
}

static vw_status add_file(vw_encode_inputs *in, const char *path, const char *only, int64_t C) {
  vw_safetensors *file;
  VW_TRY(vw_safetensors_open(&file, path));
  const char *trials = vw_safetensors_metadata(file, "trials");
  const vw_status st = trials && vw_safetensors_has(file, "words") ? add_block(in, file, trials, only, C)
                                                                   : add_vectors(in, file, only, C);
  vw_safetensors_close(file);
  return st;
}

/* All finished blocks of an output directory, in the order of its plan. */
static vw_status add_directory(vw_encode_inputs *in, const char *dir, const char *only, int64_t C) {
  char path[VW_PATH_BYTES], id[VW_BLOCK_ID];
  vw_plan *plan = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_path_format(path, "%s/plan.yaml", dir));
  VW_CHECK(vw_file_exists(path), VW_ERR_INPUT, "%s: has no plan.yaml; expected the output directory of a study", dir);
  VW_TRY(vw_plan_load(path, &plan));
  for (int64_t i = 0; i < plan->n_blocks; i++) {
    vw_block_file_id(&plan->blocks[i], "", id);
    VW_GOTO(vw_block_file_path(path, dir, id));
    if (vw_file_exists(path)) VW_GOTO(add_file(in, path, only, C));
  }
cleanup:
  vw_plan_destroy(plan);
  return st;
}

static bool is_directory(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

vw_status vw_encode_add_words(vw_encode_inputs *in, const char *path, const char *only, int64_t C) {
  const int64_t before = in->words.n;
  if (is_directory(path))
    VW_TRY(add_directory(in, path, only, C));
  else
    VW_TRY(add_file(in, path, only, C));
  VW_CHECK(in->words.n > before, VW_ERR_INPUT,
           "%s: no word of width %" PRId64 "%s%s in it; expected an output directory, a block file, or a safetensors "
           "file with float tensors [%" PRId64 "] or [words, %" PRId64 "]",
           path, C, only ? " with a name that holds " : "", only ? only : "", C, C);
  return VW_OK;
}

/* Whether an output directory has blocks of a model of this name. */
static vw_status is_model(const char *dir, const char *name, bool *is) {
  char path[VW_PATH_BYTES];
  vw_plan *plan = NULL;
  *is = false;
  VW_TRY(vw_path_format(path, "%s/plan.yaml", dir));
  if (!is_directory(dir) || !vw_file_exists(path)) return VW_OK;
  VW_TRY(vw_plan_load(path, &plan));
  for (int64_t i = 0; i < plan->n_blocks; i++) *is |= strcmp(plan->blocks[i].model, name) == 0;
  vw_plan_destroy(plan);
  return VW_OK;
}

/* The words from `first` on are of one model: vectors of another network may have the same width and mean nothing. */
static vw_status check_one_model(const vw_encode_inputs *in, int64_t first, const char *dir) {
  for (int64_t i = first + 1; i < in->words.n; i++) {
    const char *a = in->words.text[first], *b = in->words.text[i];
    const size_t n = strcspn(a, ":"), m = strcspn(b, ":");
    VW_CHECK(n == m && !strncmp(a, b, n), VW_ERR_INPUT,
             "%s: holds words of this width that '%.*s' learned and others of '%.*s': name the model first, as in "
             "%s:%.*s,%s",
             dir, (int)n, a, (int)m, b, dir, (int)n, a, "fox");
  }
  return VW_OK;
}

/* The next of the parts between commas. *at: where the one behind it begins, NULL behind the last. */
static vw_status next_part(const char *spec, const char **at, char part[256]) {
  const char *comma = strchr(*at, ',');
  const int n = (int)(comma ? comma - *at : (ptrdiff_t)strlen(*at));
  VW_CHECK(n > 0 && n < 256, VW_ERR_ARG, "words '%s': nothing between the commas behind the colon", spec);
  (void)snprintf(part, 256, "%.*s", n, *at);
  *at = comma ? comma + 1 : NULL;
  return VW_OK;
}

vw_status vw_encode_add_named_words(vw_encode_inputs *in, const char *spec, int64_t C) {
  char path[VW_PATH_BYTES], part[256], model[256] = "";
  const char *colon = strrchr(spec, ':');
  const int64_t first = in->words.n;
  vw_status st = VW_OK;
  if (!colon || vw_file_exists(spec) || is_directory(spec)) {
    VW_TRY(vw_encode_add_words(in, spec, NULL, C));
    return is_directory(spec) ? check_one_model(in, first, spec) : VW_OK;
  }
  VW_TRY(vw_path_format(path, "%.*s", (int)(colon - spec), spec));
  for (const char *at = colon + 1; at;) {
    bool is = false;
    VW_TRY(next_part(spec, &at, part));
    VW_TRY(is_model(path, part, &is));
    if (is) memcpy(model, part, sizeof model);
  }
  in->choice = &(const vw_word_choice){model[0] ? model : NULL, first};
  int64_t parts = 0;
  for (const char *at = colon + 1; at && st == VW_OK;) {
    st = next_part(spec, &at, part);
    if (st == VW_OK && strcmp(part, model) != 0) st = vw_encode_add_words(in, path, part, C), parts++;
  }
  if (st == VW_OK && !parts) st = vw_encode_add_words(in, path, NULL, C);
  in->choice = NULL;
  VW_TRY(st);
  return is_directory(path) ? check_one_model(in, first, path) : VW_OK;
}

vw_status vw_encode_candidates(const vw_encode_inputs *in, vw_clip_network *n, void *features) {
  const size_t one = vw_clip_feature_bytes(n);
  char text[1024];
  vw_prompts p = {0};
  for (int64_t i = 0; i < in->texts.n; i++) {
    const char *filled = text;
    VW_TRY(vw_class_text(in->word_template, in->texts.text[i], text, sizeof text));
    VW_TRY(vw_clip_encode_text(n, &filled, 1, (char *)features + (size_t)i * one));
  }
  if (!in->words.n) return VW_OK;
  VW_TRY(vw_prompts_create(&p, &n->net, &in->word_template, 1));
  const vw_status st =
      vw_clip_encode_words(n, &p, 0, in->vectors, in->words.n, (char *)features + (size_t)in->texts.n * one);
  vw_prompts_free(&p);
  return st;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

vw_status vw_encode_add_pictures(vw_encode_inputs *in, const char *path) {
  vw_name_list files;
  struct stat info;
  if (vw_file_exists(path)) return add(in, &in->pictures, path);
  if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
    return VW_RAISE(VW_ERR_INPUT, "%s: %s; expected a picture or a folder", path, vw_file_kind(info.st_mode));
  VW_CHECK(is_directory(path), VW_ERR_INPUT, "%s: no such picture or folder", path);
  VW_TRY(vw_folders_pictures(path, &files));
  vw_status st = VW_OK;
  for (int64_t i = 0; st == VW_OK && i < files.n; i++) st = add(in, &in->pictures, files.name[i]);
  vw_name_list_free(&files);
  return st;
}

vw_status vw_encode_look(const char *command, const char *exif, const char *alpha, unsigned *look) {
  const bool turned = !strcmp(exif, "turn"), white = !strcmp(alpha, "white");
  VW_CHECK(turned || !strcmp(exif, "ignore"), VW_ERR_ARG, "%s: --exif '%s': choose ignore or turn", command, exif);
  VW_CHECK(white || !strcmp(alpha, "drop"), VW_ERR_ARG, "%s: --alpha '%s': choose drop or white", command, alpha);
  *look = (turned ? VW_IMAGE_TURNED : 0U) | (white ? VW_IMAGE_ON_WHITE : 0U);
  return VW_OK;
}
