/* CLIP and OWL-v2 directories in the hub's format with random weights of the published sizes: to measure speed and
 * memory where the real weights are not at hand. Their features mean nothing. */
#include "bench/random_clip.h"

#include "core/durable.h"
#include "core/pool.h"
#include "core/random.h"
#include "core/text.h"
#include "io/safetensors.h"
#include "io/tokenizer/tokenizer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct tower {
  int64_t width, mlp, layers, heads;
} tower;

typedef struct network_size {
  const char *name;
  tower text, vision;
  int64_t image, patch, projection;
} network_size;
static const network_size clip_sizes[] = {
    {"B/32", {512, 2048, 12, 8}, {768, 3072, 12, 12}, 224, 32, 512},
    {"B/16", {512, 2048, 12, 8}, {768, 3072, 12, 12}, 224, 16, 512},
    {"L/14", {768, 3072, 12, 12}, {1024, 4096, 24, 16}, 224, 14, 768},
    {"H/14", {1024, 4096, 24, 16}, {1280, 5120, 32, 16}, 224, 14, 1024},
};
static const network_size owlv2_sizes[] = {
    {"base", {512, 2048, 12, 8}, {768, 3072, 12, 12}, 960, 16, 512},
    {"large", {768, 3072, 12, 12}, {1024, 4096, 24, 16}, 1008, 14, 768},
};
enum { VOCABULARY = 49408, MOST_TENSORS = 2048 };

/* What the families differ in. */
typedef struct family {
  const char *command, *type; /* that makes them; model_type */
  const char *prefix;         /* of the towers' tensors */
  const char *first_norm;     /* of the vision tower */
  int64_t positions;
  bool detects; /* has heads beside the towers */
  const network_size *sizes;
  size_t n_sizes;
  const char *choose;
} family;
static const family clip = {"random-clip",
                            "clip",
                            "",
                            "pre_layrnorm",
                            77,
                            false,
                            clip_sizes,
                            sizeof clip_sizes / sizeof *clip_sizes,
                            "B/32, B/16, L/14 or H/14"};
static const family owlv2 = {
    "random-owlv2", "owlv2", "owlv2.", "pre_layernorm", 16, true, owlv2_sizes, sizeof owlv2_sizes / sizeof *owlv2_sizes,
    "base or large"};

/* What a directory consists of, the weights first. */
static const char *const files[] = {"model.safetensors", "config.json", "vocab.json", "merges.txt"};
enum { FILES = sizeof files / sizeof *files, TOKENIZER = 2 };
#define MADE_BY "viswords_made_by"

typedef struct maker {
  vw_safetensors_entry *entries;
  int64_t n;
  vw_pool names;
  const char *prefix; /* of every name */
  vw_random_numbers numbers;
  vw_status st;
} maker;

/* Normals of standard deviation `sd` around `mean`; the stream is keyed by the tensor's place. */
static void add(maker *m, const char *prefix, const char *name, double mean, double sd, vw_tensor shape) {
  char path[256];
  const int64_t n = vw_count(&shape);
  if (m->st != VW_OK) return; /* the first failure counts */
  float *x = m->numbers == VW_RANDOM_NONE ? NULL : malloc((size_t)(n + 4) * sizeof *x);
  (void)snprintf(path, sizeof path, "%s%s%s", m->prefix, prefix, name);
  const char *kept = vw_pool_text(&m->names, path, -1);
  if ((!x && m->numbers != VW_RANDOM_NONE) || !kept) {
    free(x);
    m->st = VW_RAISE(VW_ERR_MEMORY, "random weights: out of memory");
    return;
  }
  for (int64_t i = 0; x && i < n; i += 4) {
    vw_normal4(vw_philox4x32((uint64_t)m->n, (uint32_t)(i / 4), 0, VW_DRAW_WEIGHTS, 0), x + i);
    for (int64_t j = i; j < i + 4 && j < n; j++) x[j] = (float)(mean + sd * x[j]);
  }
  shape.dtype = VW_F32, shape.data = x;
  if (m->numbers == VW_RANDOM_HALF) {
    shape.dtype = VW_F16, shape.data = malloc((size_t)n * 2);
    m->st = shape.data ? vw_convert(shape.data, VW_F16, x, VW_F32, n)
                       : VW_RAISE(VW_ERR_MEMORY, "random weights: out of memory");
    free(x);
  }
  m->entries[m->n++] = (vw_safetensors_entry){.name = kept, .tensor = shape};
}

static void add_linear(maker *m, const char *prefix, const char *name, int64_t out, int64_t in) {
  char weight[128], bias[128];
  (void)snprintf(weight, sizeof weight, "%s.weight", name), (void)snprintf(bias, sizeof bias, "%s.bias", name);
  add(m, prefix, weight, 0, sqrt(1.0 / (double)in), vw_shape(VW_F32, out, in));
  add(m, prefix, bias, 0, 0.02, vw_shape(VW_F32, out));
}

static void add_norm(maker *m, const char *prefix, const char *name, int64_t width) {
  char weight[128], bias[128];
  (void)snprintf(weight, sizeof weight, "%s.weight", name), (void)snprintf(bias, sizeof bias, "%s.bias", name);
  add(m, prefix, weight, 1, 0.1, vw_shape(VW_F32, width));
  add(m, prefix, bias, 0, 0.02, vw_shape(VW_F32, width));
}

static void add_layers(maker *m, const char *path, const tower *t) {
  static const char *const projections[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                            "self_attn.out_proj"};
  for (int64_t i = 0; i < t->layers && m->st == VW_OK; i++) {
    char prefix[128];
    (void)snprintf(prefix, sizeof prefix, "%s.encoder.layers.%lld.", path, (long long)i);
    for (int j = 0; j < 4; j++) add_linear(m, prefix, projections[j], t->width, t->width);
    add_norm(m, prefix, "layer_norm1", t->width), add_norm(m, prefix, "layer_norm2", t->width);
    add_linear(m, prefix, "mlp.fc1", t->mlp, t->width), add_linear(m, prefix, "mlp.fc2", t->width, t->mlp);
  }
}

static void add_towers(maker *m, const family *f, const network_size *s) {
  const int64_t side = s->image / s->patch;
  add(m, "text_model.", "embeddings.token_embedding.weight", 0, 0.02, vw_shape(VW_F32, VOCABULARY, s->text.width));
  add(m, "text_model.", "embeddings.position_embedding.weight", 0, 0.01, vw_shape(VW_F32, f->positions, s->text.width));
  add_layers(m, "text_model", &s->text);
  add_norm(m, "text_model.", "final_layer_norm", s->text.width);
  add(m, "", "text_projection.weight", 0, sqrt(1.0 / (double)s->text.width),
      vw_shape(VW_F32, s->projection, s->text.width));
  add(m, "", "logit_scale", log(100.0), 0, (vw_tensor){.dtype = VW_F32}); /* of no axis: [1] is refused elsewhere */
  add(m, "vision_model.", "embeddings.class_embedding", 0, 0.02, vw_shape(VW_F32, s->vision.width));
  add(m, "vision_model.", "embeddings.patch_embedding.weight", 0, 0.02,
      vw_shape(VW_F32, s->vision.width, 3, s->patch, s->patch));
  add(m, "vision_model.", "embeddings.position_embedding.weight", 0, 0.02,
      vw_shape(VW_F32, side * side + 1, s->vision.width));
  add_norm(m, "vision_model.", f->first_norm, s->vision.width);
  add_layers(m, "vision_model", &s->vision);
  add_norm(m, "vision_model.", "post_layernorm", s->vision.width);
  add(m, "", "visual_projection.weight", 0, sqrt(1.0 / (double)s->vision.width),
      vw_shape(VW_F32, s->projection, s->vision.width));
}

/* Two hidden layers, then `out` numbers. */
static void add_perceptron(maker *m, const char *prefix, int64_t width, int64_t out) {
  add_linear(m, prefix, "dense0", width, width), add_linear(m, prefix, "dense1", width, width);
  add_linear(m, prefix, "dense2", out, width);
}

static void add_heads(maker *m, const network_size *s) {
  const int64_t D = s->vision.width, one = 1, four = 4;
  add_norm(m, "", "layer_norm", D);
  add_linear(m, "class_head.", "dense0", s->text.width, D);
  add_linear(m, "class_head.", "logit_shift", one, D), add_linear(m, "class_head.", "logit_scale", one, D);
  add_perceptron(m, "box_head.", D, four), add_perceptron(m, "objectness_head.", D, one);
}

static json_t *tower_json(const tower *t, int64_t projection) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "hidden_size", (json_int_t)t->width, "intermediate_size",
                   (json_int_t)t->mlp, "num_hidden_layers", (json_int_t)t->layers, "num_attention_heads",
                   (json_int_t)t->heads, "projection_dim", (json_int_t)projection, "hidden_act", "quick_gelu");
}

static vw_status write_config(const family *f, const network_size *s, const char *dir, int32_t end) {
  char path[VW_PATH_BYTES];
  json_t *text = tower_json(&s->text, s->projection), *vision = tower_json(&s->vision, s->projection);
  json_object_set_new(text, "vocab_size", json_integer(VOCABULARY));
  json_object_set_new(text, "eos_token_id", json_integer(end));
  json_object_set_new(vision, "image_size", json_integer(s->image));
  json_object_set_new(vision, "patch_size", json_integer(s->patch));
  json_t *all = json_pack("{s:s, s:I, s:o, s:o}", "model_type", f->type, "projection_dim", (json_int_t)s->projection,
                          "text_config", text, "vision_config", vision);
  char *dump = json_dumps(all, JSON_INDENT(1));
  json_decref(all);
  vw_status st = dump ? vw_path_format(path, "%s/config.json", dir) : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  if (st == VW_OK) st = vw_file_write(path, dump, (int64_t)strlen(dump));
  free(dump);
  return st;
}

static vw_status copy_tokenizer(const char *from, const char *dir) {
  for (int i = TOKENIZER; i < FILES; i++) {
    char a[VW_PATH_BYTES], b[VW_PATH_BYTES], *text = NULL;
    int64_t bytes = 0;
    VW_TRY(vw_path_format(a, "%s/%s", from, files[i]));
    VW_TRY(vw_path_format(b, "%s/%s", dir, files[i]));
    VW_TRY(vw_file_read(a, &text, &bytes));
    const vw_status st = vw_file_write(b, text, bytes);
    free(text);
    VW_TRY(st);
  }
  return VW_OK;
}

/* The weights also say what lies beside them: who finds that again knows that all of it was made here. */
static vw_status write_weights(const family *f, const network_size *s, const char *dir, vw_random_numbers numbers) {
  char path[VW_PATH_BYTES], sums[FILES][VW_HASH_TEXT];
  vw_keyvalue metadata[FILES + 1] = {{"format", "pt"}, {MADE_BY, f->command}}; /* transformers wants the first */
  for (int i = 1; i < FILES; i++) {
    vw_hash hash;
    int64_t bytes;
    VW_TRY(vw_path_format(path, "%s/%s", dir, files[i]));
    VW_TRY(vw_file_hash(path, &hash, &bytes));
    vw_hash_text(hash, sums[i]);
    metadata[i + 1] = (vw_keyvalue){files[i], sums[i]};
  }
  VW_TRY(vw_path_format(path, "%s/%s", dir, files[0]));
  maker m = {.prefix = f->prefix, .numbers = numbers, .entries = calloc(MOST_TENSORS, sizeof *m.entries)};
  VW_CHECK(m.entries, VW_ERR_MEMORY, "random weights: out of memory");
  add_towers(&m, f, s);
  m.prefix = "";
  if (f->detects) add_heads(&m, s);
  vw_status st = m.st;
  if (st == VW_OK)
    st = (numbers == VW_RANDOM_NONE ? vw_safetensors_write_hollow : vw_safetensors_write)(path, m.entries, m.n,
                                                                                          metadata, FILES + 1);
  for (int64_t i = 0; i < m.n; i++) free(m.entries[i].tensor.data);
  free(m.entries);
  vw_pool_fini(&m.names);
  return st;
}

static vw_status fill(const family *f, const network_size *s, const char *dir, const char *tokenizer, int32_t end,
                      vw_random_numbers numbers) {
  VW_TRY(copy_tokenizer(tokenizer, dir));
  VW_TRY(write_config(f, s, dir, end));
  return write_weights(f, s, dir, numbers);
}

/* ---- where it goes ----------------------------------------------------------------------------------------------- */

/* Removes what was made in a folder, and the folder. */
static void remove_made(const char *dir) {
  char path[VW_PATH_BYTES];
  for (int i = 0; i < FILES; i++)
    if (vw_path_format(path, "%s/%s", dir, files[i]) == VW_OK) (void)unlink(path);
  (void)rmdir(dir);
}

/* The weights in `dir` are from here, and so is what lies beside them: no other name, no other bytes. */
static bool all_made_here(const char *dir) {
  char path[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  struct dirent *e;
  if (vw_path_format(path, "%s/%s", dir, files[0]) != VW_OK || vw_safetensors_open(&f, path) != VW_OK) return false;
  bool ours = vw_safetensors_metadata(f, MADE_BY) && vw_safetensors_verify(f) == VW_OK;
  DIR *list = opendir(dir);
  ours = ours && list;
  while (ours && (e = readdir(list)) != NULL) {
    char text[VW_HASH_TEXT];
    vw_hash hash;
    int64_t bytes;
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, files[0])) continue;
    const char *sum = vw_safetensors_metadata(f, e->d_name);
    ours = sum && vw_path_format(path, "%s/%s", dir, e->d_name) == VW_OK && vw_file_hash(path, &hash, &bytes) == VW_OK;
    if (ours) vw_hash_text(hash, text);
    ours = ours && strcmp(sum, text) == 0;
  }
  if (list) (void)closedir(list);
  vw_safetensors_close(f);
  return ours;
}

static bool is_empty(const char *dir) {
  DIR *list = opendir(dir);
  int n = 0;
  while (list && readdir(list)) n++;
  if (list) (void)closedir(list);
  return list && n == 2;
}

/* mkdtemp makes a folder for its owner alone: the mode that mkdir would have given. */
static void open_to_others(const char *dir) {
  const mode_t mask = umask(0);
  (void)umask(mask);
  (void)chmod(dir, 0777 & ~mask);
}

/* What is there already: nothing, an empty folder, or, with `force`, a directory that this command made. */
static vw_status check_target(const family *f, const char *dir, bool force, bool *replace) {
  struct stat st;
  *replace = false;
  if (lstat(dir, &st) != 0) {
    VW_CHECK(errno == ENOENT, VW_ERR_IO, "%s: cannot make the folder: %s", dir, strerror(errno));
    return VW_OK;
  }
  VW_CHECK(S_ISDIR(st.st_mode), VW_ERR_INPUT, "%s: is there and no folder; choose another name", dir);
  if (is_empty(dir)) return VW_OK;
  const bool ours = all_made_here(dir);
  vw_error_clear();
  VW_CHECK(ours, VW_ERR_INPUT, "%s: holds files that %s did not make, and stays as it is; choose another name", dir,
           f->command);
  VW_CHECK(force, VW_ERR_INPUT, "%s: holds random weights already; --force makes them anew", dir);
  *replace = true;
  return VW_OK;
}

/* The folder is there, whole, or it is not: it was made beside under another name. */
static vw_status put_in_place(const char *partial, const char *dir, bool replace) {
  const unsigned how = replace ? RENAME_EXCHANGE : 0;
  VW_CHECK(renameat2(AT_FDCWD, partial, AT_FDCWD, dir, how) == 0 || (!replace && rename(partial, dir) == 0), VW_ERR_IO,
           "%s: cannot put the new directory there: %s", dir, strerror(errno));
  if (replace) remove_made(partial); /* the old one's files now */
  return VW_OK;
}

/* Folders above `dir` that are not there: how long the path of the highest one is, to take them away again. */
static vw_status make_parents(const char *dir, char parent[VW_PATH_BYTES], size_t *highest) {
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(parent, "%s", dir));
  for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--) parent[n - 1] = 0;
  char *slash = strrchr(parent, '/');
  *highest = SIZE_MAX;
  if (!slash || slash == parent) return vw_path_format(parent, "%s", slash ? "/" : ".");
  *slash = 0;
  VW_TRY(vw_path_format(path, "%s", parent));
  while (*path && !vw_file_exists(path)) {
    *highest = strlen(path);
    slash = strrchr(path, '/');
    if (!slash) break;
    *slash = 0;
  }
  return vw_folder_make(parent);
}

static void remove_parents(char *parent, size_t highest) {
  while (strlen(parent) >= highest && rmdir(parent) == 0) {
    char *slash = strrchr(parent, '/');
    if (!slash) return;
    *slash = 0;
  }
}

static vw_status make(const family *f, const network_size *s, const char *dir, const char *tokenizer, bool half,
                      bool force) {
  const vw_random_numbers numbers = half ? VW_RANDOM_HALF : VW_RANDOM_FULL;
  char parent[VW_PATH_BYTES] = "", partial[VW_PATH_BYTES];
  size_t highest = SIZE_MAX;
  bool replace, made = false;
  vw_tokenizer *t;
  vw_status st = VW_OK;
  VW_TRY(check_target(f, dir, force, &replace));
  VW_TRY(vw_tokenizer_open(&t, tokenizer)); /* first: what cannot work leaves nothing behind */
  const int32_t end = vw_tokenizer_end(t);
  vw_tokenizer_close(t);
  st = make_parents(dir, parent, &highest);
  if (st == VW_OK) st = vw_path_format(partial, "%s/.%s-XXXXXX", parent, f->command);
  if (st == VW_OK && !(made = mkdtemp(partial) != NULL))
    st = VW_RAISE(VW_ERR_IO, "%s: cannot make the folder: %s", dir, strerror(errno));
  if (st == VW_OK) open_to_others(partial);
  if (st == VW_OK) st = fill(f, s, partial, tokenizer, end, numbers);
  if (st == VW_OK) st = put_in_place(partial, dir, replace);
  if (st == VW_OK) return VW_OK;
  if (made) remove_made(partial);
  remove_parents(parent, highest);
  return st;
}

static vw_status make_named(const family *f, const char *size, const char *dir, const char *tokenizer, bool half,
                            bool force) {
  for (size_t i = 0; i < f->n_sizes; i++)
    if (strcmp(size, f->sizes[i].name) == 0) return make(f, &f->sizes[i], dir, tokenizer, half, force);
  return VW_RAISE(VW_ERR_ARG, "%s: --size '%s': choose %s", f->command, size, f->choose);
}

vw_status vw_random_clip(const char *size, const char *dir, const char *tokenizer, bool half, bool force) {
  return make_named(&clip, size, dir, tokenizer, half, force);
}

vw_status vw_random_owlv2(const char *size, const char *dir, const char *tokenizer, bool half, bool force) {
  return make_named(&owlv2, size, dir, tokenizer, half, force);
}

/* ---- sizes alone ------------------------------------------------------------------------------------------------- */

static vw_status make_hollow(const family *f, const char *size, const char *dir, const char *tokenizer) {
  vw_tokenizer *t;
  VW_TRY(vw_tokenizer_open(&t, tokenizer));
  const int32_t end = vw_tokenizer_end(t);
  vw_tokenizer_close(t);
  for (size_t i = 0; i < f->n_sizes; i++)
    if (strcmp(size, f->sizes[i].name) == 0) return fill(f, &f->sizes[i], dir, tokenizer, end, VW_RANDOM_NONE);
  return VW_RAISE(VW_ERR_ARG, "%s: size '%s': choose %s", f->command, size, f->choose);
}

vw_status vw_hollow_clip(const char *size, const char *dir, const char *tokenizer) {
  return make_hollow(&clip, size, dir, tokenizer);
}

vw_status vw_hollow_owlv2(const char *size, const char *dir, const char *tokenizer) {
  return make_hollow(&owlv2, size, dir, tokenizer);
}

void vw_hollow_clip_remove(const char *dir) {
  remove_made(dir);
}
