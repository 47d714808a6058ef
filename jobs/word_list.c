#include "jobs/word_list.h"

#include "core/durable.h"
#include "core/text.h"
#include "io/block_file.h"
#include "learn/block_io.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PART_BYTES = 256 };

void vw_word_list_free(vw_word_list *l) {
  free(l->word);
  vw_pool_fini(&l->pool);
  *l = (vw_word_list){0};
}

const char *vw_width_of(int64_t width) {
  static const struct {
    int64_t width;
    const char *what;
  } known[] = {{512, ", as CLIP ViT-B and OWL-v2 base have it"},
               {768, ", as Stable Diffusion 1, CLIP ViT-L and OWL-v2 large have it"},
               {1024, ", as Stable Diffusion 2 and CLIP ViT-H have it"},
               {1280, ", as the second text encoder of Stable Diffusion XL and CLIP ViT-bigG have it"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].width == width) return known[i].what;
  return "";
}

void vw_embedding_hash(const double *x, int64_t width, char text[VW_HASH_TEXT]) {
  vw_hash_text(vw_hash_bytes(x, (size_t)width * sizeof *x), text);
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static vw_status no_memory(void) {
  return VW_RAISE(VW_ERR_MEMORY, "words: out of memory");
}

/* Texts of the file, whose words are gone when it is closed. */
static vw_status keep_texts(vw_word_list *l, vw_file_word *w) {
  const char **const texts[] = {&w->name, &w->key,     &w->model,   &w->concept,  &w->anchor,
                                &w->id,   &w->network, &w->weights, &w->protocol, &w->embedding};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (!*texts[i]) continue;
    *texts[i] = vw_pool_text(&l->pool, *texts[i], -1);
    if (!*texts[i]) return no_memory();
  }
  return VW_OK;
}

static vw_status make_room(vw_word_list *l) {
  if (l->n < l->room) return VW_OK;
  const int64_t room = l->room ? 2 * l->room : 16;
  vw_given_word *more = realloc(l->word, (size_t)room * sizeof *more);
  if (!more) return no_memory();
  l->word = more, l->room = room;
  return VW_OK;
}

static vw_status add_word(vw_word_list *l, const vw_word_file *f, int64_t i, const char *path) {
  const vw_file_word *from = &f->words[i];
  VW_TRY(make_room(l));
  vw_given_word *w = &l->word[l->n];
  *w = (vw_given_word){.from = *from, .path = vw_pool_text(&l->pool, path, -1)};
  double *x = vw_pool_take(&l->pool, (size_t)(from->vectors * from->width) * sizeof *x);
  if (!x || !w->path) return no_memory();
  VW_TRY(vw_word_file_read(f, i, x));
  w->x = x, w->from.data = w->from.anchor_data = NULL;
  if (from->anchor_data) {
    double *anchor = vw_pool_take(&l->pool, (size_t)from->width * sizeof *anchor);
    if (!anchor) return no_memory();
    VW_TRY(vw_convert(anchor, VW_F64, from->anchor_data, from->type, from->width));
    w->anchor = anchor;
  }
  VW_TRY(keep_texts(l, &w->from));
  l->n++;
  if (from->type == VW_F16 || from->type == VW_BF16)
    (void)vw_print(stderr, "%s: '%s' is %s: converted to fp32\n", path, from->name, vw_dtype_name(from->type));
  return VW_OK;
}

/* Names end in an id's first digits; tables have all of them. */
static bool holds(const vw_file_word *w, const char *part) {
  return strstr(w->name, part) || (w->id && !strcmp(w->id, part));
}

/* Whether a word's name holds `only` (NULL: any will do), of chosen words all the parts between its '+'. */
static bool is_meant(const vw_word_list *l, const vw_file_word *w, const char *only) {
  if (!l->is_choice) return !only || holds(w, only);
  for (const char *at = only; at && *at;) {
    char part[PART_BYTES];
    const size_t n = strcspn(at, "+");
    (void)snprintf(part, sizeof part, "%.*s", (int)n, at);
    if (!holds(w, part)) return false;
    at += n + (at[n] == '+');
  }
  return true;
}

/* Two parts of a choice may name the same word. */
static bool is_chosen(const vw_word_list *l, const char *name) {
  for (int64_t i = l->is_choice ? l->first : l->n; i < l->n; i++)
    if (!strcmp(l->word[i].from.name, name)) return true;
  return false;
}

/* The first word that has another width than was asked for. */
typedef struct misfit {
  char name[PART_BYTES];
  int64_t width;
} misfit;

static vw_status add_file(vw_word_list *l, const char *path, const char *only, int64_t width, misfit *other) {
  vw_word_file f;
  vw_status st = VW_OK;
  VW_TRY(vw_word_file_open(&f, path));
  for (int64_t i = 0; st == VW_OK && i < f.n; i++) {
    const vw_file_word *w = &f.words[i];
    const bool fits = !width || w->width == width;
    if (w->is_of_block && l->model && (!w->model || strcmp(l->model, w->model) != 0)) continue;
    if (!is_meant(l, w, only)) continue;
    if (fits && !is_chosen(l, w->name)) st = add_word(l, &f, i, path);
    if (fits || other->width) continue;
    (void)snprintf(other->name, sizeof other->name, "%s", w->name);
    other->width = w->width;
  }
  vw_word_file_close(&f);
  return st;
}

/* What the plan knows of a block's words and their file does not say. */
static vw_status add_hashes(vw_word_list *l, int64_t first, const vw_block *b) {
  char weights[VW_HASH_TEXT], protocol[VW_HASH_TEXT];
  vw_hash_text(b->weights, weights), vw_hash_text(b->protocol, protocol);
  for (int64_t i = first; i < l->n; i++) {
    l->word[i].from.weights = vw_pool_text(&l->pool, weights, -1);
    l->word[i].from.protocol = vw_pool_text(&l->pool, protocol, -1);
    if (!l->word[i].from.weights || !l->word[i].from.protocol) return no_memory();
  }
  return VW_OK;
}

static int is_word_file(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return dot && !strcmp(dot, ".safetensors");
}

/* A folder of word files, as `viswords export` writes it, by name; *found false: it has none. */
static vw_status add_folder(vw_word_list *l, const char *dir, const char *only, int64_t width, misfit *other,
                            bool *found) {
  char path[VW_PATH_BYTES];
  struct dirent **entries = NULL;
  vw_status st = VW_OK;
  const int n = scandir(dir, &entries, is_word_file, alphasort);
  *found = n > 0;
  for (int i = 0; i < n; i++) {
    if (st == VW_OK) st = vw_path_format(path, "%s/%s", dir, entries[i]->d_name);
    if (st == VW_OK) st = add_file(l, path, only, width, other);
    free(entries[i]);
  }
  free((void *)entries);
  return st;
}

/* All finished blocks of an output directory, in the order of its plan; of another folder all its files. */
static vw_status add_directory(vw_word_list *l, const char *dir, const char *only, int64_t width, misfit *other) {
  char path[VW_PATH_BYTES], id[VW_BLOCK_ID];
  vw_plan *plan = NULL;
  vw_status st = VW_OK;
  bool has_files = false;
  VW_TRY(vw_path_format(path, "%s/plan.yaml", dir));
  if (!vw_file_exists(path)) {
    VW_TRY(add_folder(l, dir, only, width, other, &has_files));
    VW_CHECK(
        has_files, VW_ERR_INPUT,
        "%s: has no plan.yaml and no *.safetensors; expected the output directory of a study, or a folder of words",
        dir);
    return VW_OK;
  }
  VW_TRY(vw_plan_load(path, &plan));
  for (int64_t i = 0; i < plan->n_blocks; i++) {
    const int64_t first = l->n;
    vw_block_file_id(&plan->blocks[i], "", id);
    VW_GOTO(vw_block_file_path(path, dir, id));
    if (!vw_file_exists(path)) continue;
    VW_GOTO(add_file(l, path, only, width, other));
    VW_GOTO(add_hashes(l, first, &plan->blocks[i]));
  }
cleanup:
  vw_plan_destroy(plan);
  return st;
}

static bool is_directory(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

vw_status vw_word_list_add(vw_word_list *l, const char *path, const char *only, int64_t width) {
  const int64_t before = l->n;
  misfit other = {0};
  if (is_directory(path))
    VW_TRY(add_directory(l, path, only, width, &other));
  else
    VW_TRY(add_file(l, path, only, width, &other));
  if (l->n > before) return VW_OK;
  VW_CHECK(!other.width, VW_ERR_INPUT,
           "%s: no word of width %" PRId64 "%s%s in it: '%s' has width %" PRId64
           "%s; give the network that it was learned for, or carry it over with 'viswords transfer'",
           path, width, only ? " with a name that holds " : "", only ? only : "", other.name, other.width,
           vw_width_of(other.width));
  char of_width[64] = "";
  if (width) (void)snprintf(of_width, sizeof of_width, " of width %" PRId64, width);
  return VW_RAISE(VW_ERR_INPUT,
                  "%s: no word%s%s%s in it; expected an output directory, a block file, or a safetensors file with "
                  "float tensors [width] or [vectors, width]",
                  path, of_width, only ? " with a name that holds " : "", only ? only : "");
}

/* ---- by name ----------------------------------------------------------------------------------------------------- */

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
static vw_status check_one_model(const vw_word_list *l, int64_t first, const char *dir) {
  for (int64_t i = first + 1; i < l->n; i++) {
    const char *a = l->word[first].from.name, *b = l->word[i].from.name;
    const size_t n = strcspn(a, ":"), m = strcspn(b, ":");
    VW_CHECK(n == m && !strncmp(a, b, n), VW_ERR_INPUT,
             "%s: holds words of this width that '%.*s' learned and others of '%.*s': name the model first, as in "
             "%s:%.*s,%s",
             dir, (int)n, a, (int)m, b, dir, (int)n, a, "fox");
  }
  return VW_OK;
}

/* The next of the parts between commas. *at: where the one behind it begins, NULL behind the last. */
static vw_status next_part(const char *spec, const char **at, char part[PART_BYTES]) {
  const char *comma = strchr(*at, ',');
  const int n = (int)(comma ? comma - *at : (ptrdiff_t)strlen(*at));
  VW_CHECK(n > 0 && n < PART_BYTES, VW_ERR_ARG, "words '%s': nothing between the commas behind the colon", spec);
  (void)snprintf(part, PART_BYTES, "%.*s", n, *at);
  *at = comma ? comma + 1 : NULL;
  return VW_OK;
}

static vw_status add_choice(vw_word_list *l, const char *spec, const char *path, const char *first, int64_t width) {
  char part[PART_BYTES], model[PART_BYTES] = "";
  int64_t parts = 0;
  for (const char *at = first; at;) {
    bool is = false;
    VW_TRY(next_part(spec, &at, part));
    VW_TRY(is_model(path, part, &is));
    if (is) memcpy(model, part, sizeof model);
  }
  l->model = model[0] ? vw_pool_text(&l->pool, model, -1) : NULL;
  if (model[0] && !l->model) return no_memory();
  for (const char *at = first; at;) {
    VW_TRY(next_part(spec, &at, part));
    if (!strcmp(part, model)) continue;
    VW_TRY(vw_word_list_add(l, path, part, width));
    parts++;
  }
  return parts ? VW_OK : vw_word_list_add(l, path, NULL, width);
}

vw_status vw_word_list_add_named(vw_word_list *l, const char *spec, int64_t width) {
  char path[VW_PATH_BYTES];
  const char *colon = strrchr(spec, ':');
  const int64_t first = l->n;
  if (!colon || vw_file_exists(spec) || is_directory(spec)) {
    VW_TRY(vw_word_list_add(l, spec, NULL, width));
    return width && is_directory(spec) ? check_one_model(l, first, spec) : VW_OK;
  }
  VW_TRY(vw_path_format(path, "%.*s", (int)(colon - spec), spec));
  l->is_choice = true, l->first = first;
  const vw_status st = add_choice(l, spec, path, colon + 1, width);
  l->is_choice = false, l->model = NULL;
  VW_TRY(st);
  return width && is_directory(path) ? check_one_model(l, first, path) : VW_OK;
}

/* ---- whose words ------------------------------------------------------------------------------------------------- */

/* The network's embedding of the word's anchor; *id -1: it has none. x[width]. */
static vw_status find_anchor(const vw_given_word *w, const vw_network *n, int32_t *id, double *x) {
  *id = -1;
  if (w->from.anchor_id >= 0 && w->from.anchor_id < n->text.tower.vocab)
    *id = (int32_t)w->from.anchor_id;
  else if (!w->from.anchor || vw_tokenizer_word(n->text.tokenizer, w->from.anchor, id) != VW_OK) {
    vw_error_clear();
    *id = -1;
  }
  return *id < 0 ? VW_OK : vw_text_word_vector(&n->text, *id, x);
}

static vw_status compare_anchor(const vw_given_word *w, const vw_network *n, double *x, bool *is) {
  char hash[VW_HASH_TEXT];
  int32_t id = -1;
  VW_TRY(find_anchor(w, n, &id, x));
  *is = id >= 0;
  if (*is && w->from.embedding) {
    vw_embedding_hash(x, n->width, hash);
    *is = !strcmp(hash, w->from.embedding);
  }
  for (int64_t k = 0; *is && w->anchor && k < n->width; k++)
    *is = fabs(w->anchor[k] - x[k]) <= 1e-6 * (1 + fabs(w->anchor[k]));
  return VW_OK;
}

vw_status vw_word_is_of(const vw_given_word *w, const vw_network *n, bool *is) {
  *is = w->from.width == n->width;
  if (!*is || (!w->anchor && !w->from.embedding)) return VW_OK;
  double *x = malloc((size_t)n->width * sizeof *x);
  if (!x) return no_memory();
  const vw_status st = compare_anchor(w, n, x, is);
  free(x);
  return st;
}

vw_status vw_word_list_check_network(const vw_word_list *l, int64_t first, const vw_network *n, const char *way_out) {
  for (int64_t i = first; i < l->n; i++) {
    bool is = false;
    const vw_given_word *w = &l->word[i];
    VW_TRY(vw_word_is_of(w, n, &is));
    VW_CHECK(is, VW_ERR_INPUT,
             "%s: its words were not learned for %s, whose embedding of the anchor '%s' of '%s' is another: %s",
             w->path, n->dir, w->from.anchor ? w->from.anchor : "?", w->from.name, way_out);
  }
  return VW_OK;
}

vw_status vw_word_list_check_finite(const vw_word_list *l) {
  for (int64_t i = 0; i < l->n; i++)
    for (int64_t k = 0; k < l->word[i].from.vectors * l->word[i].from.width; k++)
      VW_CHECK(isfinite(l->word[i].x[k]), VW_ERR_INPUT,
               "'%s' has numbers that are not finite: its trial failed; look at learn.lr and the weights, and learn it "
               "again with 'viswords learn'",
               l->word[i].from.name);
  return VW_OK;
}
