/* `draws`: all random draws of a study in one safetensors file, so that another program can repeat the study exactly.
 *
 * Metadata "json": {"models": {name: {"templates", "judge_template", "data"}}, "data": {name: {"classes", "train":
 * [[path, owner]], "test"}}}; a model has "data" of its own where it has other pictures of a data set. Tensors below
 * "<model>/<data>/<concept>/<replica>/": template [steps], positive [steps, n], negative [steps, m] (picture indices
 * into train), watch_template, watch_positive, watch_negative (the fixed set), others_10 (class indices), random_word
 * (token id), and for null concepts null_train, null_test (picture indices).
 *
 * Where a model detects, data sets have "owners" (names), "train_scenes", "test_scenes" (paths) besides, and its
 * positive and negative are places in train_scenes: drawn from `with`, where the boxes of owners `kept` count, and from
 * `without`. It is judged on `judged`, places in test_scenes, by the boxes of owners `judged_kept` (-1: none). */
#include "jobs/session.h"

#include "core/text.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "learn/baselines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct draw_file {
  vw_safetensors_entry *entries;
  int64_t n, cap;
  vw_pool pool;
} draw_file;

static vw_status add(draw_file *f, const char *stem, const char *name, vw_tensor shape, int32_t **data) {
  char path[512];
  if (f->n == f->cap) {
    const int64_t cap = f->cap ? 2 * f->cap : 64;
    vw_safetensors_entry *more = realloc(f->entries, (size_t)cap * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "draws: out of memory");
    f->entries = more, f->cap = cap;
  }
  (void)snprintf(path, sizeof path, "%s%s", stem, name);
  const char *kept = vw_pool_text(&f->pool, path, -1);
  *data = vw_pool_take(&f->pool, vw_bytes(&shape) + 4);
  VW_CHECK(kept && *data, VW_ERR_MEMORY, "draws: out of memory");
  shape.data = *data;
  f->entries[f->n++] = (vw_safetensors_entry){.name = kept, .tensor = shape};
  return VW_OK;
}

/* Where a task's draws go: tensors below one stem. */
typedef struct stream {
  draw_file *file;
  const char *stem;
} stream;

static vw_status add_draw(void *user, const char *name, vw_tensor shape, int32_t **data) {
  const stream *to = user;
  return add(to->file, to->stem, name, shape, data);
}

static vw_status add_stream(draw_file *f, vw_session *s, const vw_trial *trial) {
  const vw_task_kind *kind = s->kinds[trial->model_index]->task;
  char stem[384];
  vw_task *t = NULL;
  uint64_t key = 0;
  (void)snprintf(stem, sizeof stem, "%s/%s/%s/%lld/", trial->model, trial->data, trial->concept,
                 (long long)trial->replica);
  VW_CHECK(kind->draws, VW_ERR_UNSUPPORTED, "draws: the task of model '%s', %s, does not tell its draws", trial->model,
           kind->name);
  VW_TRY(vw_session_task(s, trial->model_index, trial->data_index, &t));
  VW_TRY(vw_trial_stream_key(s->config, trial, &key));
  vw_draw_sink sink = {.user = &(stream){f, stem}, .add = add_draw};
  VW_TRY(vw_random_word(&t->in, &s->words[trial->model_index], trial->concept, &sink.random_word));
  return kind->draws(t, trial, key, &sink);
}

static json_t *picture_list(const vw_picture_set *p, bool train) {
  const size_t root = strlen(p->data->root);
  json_t *list = json_array();
  for (int64_t o = 0; o < p->n_owners; o++) {
    const vw_picture_owner *w = &p->owners[o];
    for (int64_t i = 0; i < (train ? w->n_train : w->n_test); i++) {
      const char *path = train ? p->train[w->train_first + i].path : p->test[w->test_first + i].path;
      if (!strncmp(path, p->data->root, root)) path += root;
      while (*path == '/') path++;
      json_array_append_new(list, json_pack("[o, o]", vw_json_name(path), vw_json_name(w->name)));
    }
  }
  return list;
}

static json_t *scene_list(const vw_picture_set *p, const vw_scenes *scenes) {
  const size_t root = strlen(p->data->root);
  json_t *list = json_array();
  for (int64_t i = 0; i < scenes->n; i++) {
    const char *path = scenes->scene[i].picture.path;
    if (!strncmp(path, p->data->root, root)) path += root;
    while (*path == '/') path++;
    json_array_append_new(list, vw_json_name(path));
  }
  return list;
}

static json_t *owner_list(const vw_picture_set *p) {
  json_t *list = json_array();
  for (int64_t o = 0; o < p->n_owners; o++) json_array_append_new(list, vw_json_name(p->owners[o].name));
  return list;
}

static json_t *describe_set(const vw_picture_set *p) {
  json_t *classes = json_array();
  for (int64_t o = 0; o < p->n_classes; o++) json_array_append_new(classes, vw_json_name(p->owners[o].name));
  json_t *one =
      json_pack("{s:o, s:o, s:o}", "classes", classes, "train", picture_list(p, true), "test", picture_list(p, false));
  if (p->train_scenes.n) {
    json_object_set_new(one, "owners", owner_list(p));
    json_object_set_new(one, "train_scenes", scene_list(p, &p->train_scenes));
    json_object_set_new(one, "test_scenes", scene_list(p, &p->test_scenes));
  }
  return one;
}

/* The pictures that "data" describes; models that have others describe them too. */
static const vw_picture_set *first_set(const vw_session *s, int64_t data) {
  for (int64_t i = 0; i < s->n_sets; i++)
    if (s->sets[i].index == data) return s->sets[i].pictures;
  return NULL;
}

static char *describe(const vw_session *s) {
  json_t *models = json_object(), *data = json_object();
  for (int64_t i = 0; i < s->config->n_models; i++) {
    const vw_learn_config *l = &s->config->models[i].learn;
    json_t *templates = json_array();
    for (int64_t j = 0; j < l->templates.n; j++) json_array_append_new(templates, json_string(l->templates.name[j]));
    json_object_set_new(models, s->config->models[i].name,
                        json_pack("{s:o, s:s}", "templates", templates, "judge_template", l->judge_template));
  }
  for (int64_t i = 0; i < s->n_sets; i++)
    if (!json_object_get(data, s->sets[i].data.name))
      json_object_set_new(data, s->sets[i].data.name, describe_set(s->sets[i].pictures));
  for (int64_t i = 0; i < s->config->n_models * s->config->n_data; i++) {
    const char *set = s->config->data[i % s->config->n_data].name;
    json_t *model = json_object_get(models, s->config->models[i / s->config->n_data].name);
    if (!s->pictures[i] || s->pictures[i] == first_set(s, i % s->config->n_data)) continue;
    if (!json_object_get(model, "data")) json_object_set_new(model, "data", json_object());
    json_object_set_new(json_object_get(model, "data"), set, describe_set(s->pictures[i]));
  }
  json_t *all = json_pack("{s:o, s:o}", "models", models, "data", data);
  char *text = json_dumps(all, JSON_COMPACT);
  json_decref(all);
  return text;
}

/* One entry a stream: the first trial of each (model, data set, concept, replica). */
static vw_status write_draws(vw_session *s, const char *path) {
  draw_file f = {0};
  vw_status st = VW_OK;
  char *text = describe(s);
  for (int64_t i = 0; st == VW_OK && i < s->plan->n_trials; i++) {
    const vw_trial *t = &s->plan->trials[i];
    bool seen = t->row < 0;
    for (int64_t j = 0; j < i && !seen; j++) {
      const vw_trial *u = &s->plan->trials[j];
      seen = u->row >= 0 && u->replica == t->replica && !strcmp(u->concept, t->concept) && !strcmp(u->data, t->data) &&
             !strcmp(u->model, t->model);
    }
    if (!seen) st = add_stream(&f, s, t);
  }
  const vw_keyvalue metadata[] = {{"json", text ? text : "{}"}};
  if (st == VW_OK) st = vw_session_inputs_unchanged(s);
  if (st == VW_OK) st = vw_safetensors_write(path, f.entries, f.n, metadata, 1);
  free(text), free(f.entries);
  vw_pool_fini(&f.pool);
  return st;
}

int vw_job_draws(int argc, char **argv) {
  vw_session_options o = {.allow_other_kernels = true};
  const char *positional[1], *path = NULL;
  const vw_option options[] = {{"out", 'o', VW_OPT_STRING, &path, "FILE", "safetensors file to write"},
                               {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref, cpu, cuda"},
                               {"cache", 0, VW_OPT_STRING, &o.cache, "DIR", "image features"},
                               {0}};
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {"draws",
                             "STUDY.yaml -o FILE",
                             "Writes the random draws of a study (templates, pictures) for other programs.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  if (!path) {
    (void)vw_print(stderr, "viswords draws: -o FILE is missing\n");
    return VW_EXIT_REFUSED;
  }
  vw_session s = {0};
  o.study = positional[0];
  vw_ranks_single(&s.ranks);
  vw_status st = vw_session_open(&s, &o, false);
  bool stopped = false;
  if (st == VW_OK) st = vw_session_cache(&s, false, &stopped);
  if (st == VW_OK) st = write_draws(&s, path);
  code = vw_session_report(&s, st);
  vw_session_close(&s);
  return code;
}
