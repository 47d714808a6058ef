#include "io/folders.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/durable.h"
#include "core/options.h"
#include "core/random.h"
#include "io/listing.h"
#include "io/names.h"

/* ---- names ---- */

void vw_name_list_free(vw_name_list *names) {
  for (int64_t i = 0; i < names->n; i++) free(names->name[i]);
  free(names->name);
  *names = (vw_name_list){0};
}

/* Grows by doubling: at 1, 2, 4, ... names. */
static vw_status add_name(vw_name_list *names, const char *name) {
  if ((names->n & (names->n - 1)) == 0) {
    char **more = realloc(names->name, (size_t)(names->n ? 2 * names->n : 1) * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "out of memory for %" PRId64 " names", names->n);
    names->name = more;
  }
  names->name[names->n] = strdup(name);
  VW_CHECK(names->name[names->n], VW_ERR_MEMORY, "out of memory for %" PRId64 " names", names->n);
  names->n++;
  return VW_OK;
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static vw_status read_lines(const char *path, char *text, vw_name_list *out) {
  int64_t line = 1;
  for (char *next = text; next && *next; line++) {
    char *name = next, *end;
    next = strchr(name, '\n');
    if (next) *next++ = 0;
    while (isspace((unsigned char)*name)) name++;
    for (end = name + strlen(name); end > name && isspace((unsigned char)end[-1]);) *--end = 0;
    if (*name == 0 || *name == '#') continue;
    for (int64_t i = 0; i < out->n; i++)
      VW_CHECK(strcmp(out->name[i], name) != 0, VW_ERR_INPUT, "%s:%" PRId64 ": '%s' is listed twice", path, line, name);
    VW_TRY(add_name(out, name));
  }
  VW_CHECK(out->n, VW_ERR_INPUT, "%s: no name in it; expected one a line", path);
  return VW_OK;
}

vw_status vw_name_list_read(const char *path, vw_name_list *out) {
  char *text;
  *out = (vw_name_list){0};
  VW_TRY(vw_file_read_lines(path, &text));
  const vw_status st = read_lines(path, text, out);
  if (st != VW_OK) vw_name_list_free(out);
  free(text);
  return st;
}

/* ---- folders ---- */

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_picture(const char *name) {
  static const char *const ends[] = {".jpg", ".jpeg", ".png", ".webp"};
  const size_t n = strlen(name);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (n > strlen(ends[i]) && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0) return true;
  return false;
}

/* A picture by its ending, but none that is read. */
static bool is_unread(const char *name) {
  static const char *const ends[] = {".jfif", ".jpe",  ".jif",  ".gif",  ".bmp", ".tif",
                                     ".tiff", ".heic", ".heif", ".avif", ".jp2", ".svg"};
  const size_t n = strlen(name);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (name[0] != '.' && n > strlen(ends[i]) && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0) return true;
  return false;
}

static vw_status note_unread(const char *folder, vw_unread *unread) {
  char path[VW_PATH_BYTES];
  const vw_listing *l = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_listing_open(folder, &l, NULL));
  for (int64_t i = 0; st == VW_OK && i < l->n; i++) {
    if (!is_unread(l->entry[i].name)) continue;
    st = vw_path_format(path, "%s/%s", folder, l->entry[i].name);
    if (st != VW_OK || (unread->n++ && strcmp(path, unread->first) > 0)) continue;
    free(unread->first);
    unread->first = strdup(path);
    if (!unread->first) st = VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", folder);
  }
  vw_listing_close(l);
  return st;
}

/* Put behind "expected files ...": what of the folder might have been meant. */
static const char *unread_hint(const vw_unread *unread, char text[VW_PATH_BYTES]) {
  text[0] = 0;
  if (unread->first)
    (void)snprintf(text, VW_PATH_BYTES, "; %s is none that viswords reads: convert it, or name a JPEG .jpg",
                   strrchr(unread->first, '/') + 1);
  return text;
}

/* The folders, or the picture files, of a folder, sorted bytewise; *out is freed on failure. */
static vw_status list(const char *folder, bool folders, vw_name_list *out) {
  const vw_listing *l = NULL;
  int err = 0;
  *out = (vw_name_list){0};
  vw_status st = vw_listing_open(folder, &l, &err);
  if (st == VW_ERR_IO && err == ENOENT) {
    vw_error_clear();
    return VW_RAISE(VW_ERR_INPUT,
                    "%s: no such folder; a data set has ROOT/train/CLASS and ROOT/test/CLASS (data.<name>.root of the "
                    "study)",
                    folder);
  }
  VW_TRY(st);
  for (int64_t i = 0; st == VW_OK && i < l->n; i++) {
    const vw_listing_entry *e = &l->entry[i];
    if (e->name[0] == '.' || e->is_folder != folders || e->is_output || (!folders && !is_picture(e->name))) continue;
    st = add_name(out, e->name);
  }
  vw_listing_close(l);
  if (st != VW_OK) vw_name_list_free(out);
  return st;
}

vw_status vw_folders_list(const char *folder, bool folders, vw_name_list *out) {
  return list(folder, folders, out);
}

/* A folder of class folders: holds folders and no picture. */
static vw_status holds_classes(const char *folder, bool *does) {
  vw_name_list folders = {0}, pictures = {0};
  vw_status st = list(folder, true, &folders);
  if (st == VW_OK) st = list(folder, false, &pictures);
  *does = st == VW_OK && folders.n > 0 && pictures.n == 0;
  vw_name_list_free(&folders), vw_name_list_free(&pictures);
  return st;
}

/* "root/train" and "root/test" where both are there (*own = true), else root in `train`. Where the class folders of
 * "root/train" are all that is there, `test` is "". */
static vw_status find_parts(const char *root, bool subjects, char train[VW_PATH_BYTES], char test[VW_PATH_BYTES],
                            bool *own) {
  *own = false, test[0] = 0;
  if (subjects) return vw_path_format(train, "%s", root);
  VW_TRY(vw_path_format(train, "%s/train", root));
  VW_TRY(vw_path_format(test, "%s/test", root));
  const bool tests = is_folder(test);
  *own = is_folder(train) && tests;
  if (is_folder(train) && !tests) VW_TRY(holds_classes(train, own));
  if (!tests) test[0] = 0;
  if (!*own) VW_TRY(vw_path_format(train, "%s", root));
  return VW_OK;
}

/* Appends the pictures of a folder, then those of its folders. */
static vw_status walk(const char *folder, int depth, vw_name_list *out) {
  char path[VW_PATH_BYTES];
  vw_name_list names = {0};
  vw_status st = VW_OK;
  VW_CHECK(depth < 32, VW_ERR_INPUT, "%s: folders are 32 deep; is one a link to its own parent?", folder);
  for (int folders = 0; folders < 2; folders++) {
    VW_GOTO(list(folder, folders, &names));
    for (int64_t i = 0; i < names.n; i++) {
      VW_GOTO(vw_path_format(path, "%s/%s", folder, names.name[i]));
      VW_GOTO(folders ? walk(path, depth + 1, out) : add_name(out, path));
    }
    vw_name_list_free(&names);
  }
cleanup:
  vw_name_list_free(&names);
  return st;
}

vw_status vw_folders_pictures(const char *folder, vw_name_list *out) {
  *out = (vw_name_list){0};
  vw_status st = walk(folder, 0, out);
  if (st == VW_OK && !out->n)
    st = VW_RAISE(VW_ERR_INPUT, "%s: no picture in it; expected files *.jpg, *.jpeg, *.png or *.webp", folder);
  if (st != VW_OK) vw_name_list_free(out);
  return st;
}

vw_status vw_folders_classes(const char *root, bool subjects, vw_name_list *out) {
  char train[VW_PATH_BYTES], test[VW_PATH_BYTES];
  bool own;
  *out = (vw_name_list){0};
  VW_TRY(find_parts(root, subjects, train, test, &own));
  VW_TRY(list(train, true, out));
  VW_CHECK(out->n, VW_ERR_INPUT, "%s: no class folder in it; expected one folder of pictures a class", train);
  return VW_OK;
}

/* ---- pictures ---- */

/* Moves names[from, from + n) into pictures, with their folder. */
static vw_status take(vw_pictures *to, const char *folder, const vw_name_list *names, int64_t from, int64_t n) {
  to->path = calloc((size_t)n + 1, sizeof *to->path);
  VW_CHECK(to->path, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " pictures", folder, n);
  for (int64_t i = 0; i < n; i++) {
    char path[VW_PATH_BYTES];
    VW_TRY(vw_path_format(path, "%s/%s", folder, names->name[from + i]));
    to->path[i] = strdup(path);
    VW_CHECK(to->path[i], VW_ERR_MEMORY, "%s: out of memory", folder);
    to->n++;
  }
  if (n) qsort(to->path, (size_t)n, sizeof *to->path, by_bytes);
  return VW_OK;
}

static vw_status shuffle(vw_name_list *names, const char *class_name, int64_t seed) {
  char text[32];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "class %s: out of memory", class_name);
  (void)snprintf(text, sizeof text, "%" PRId64, seed);
  vw_hasher_field(h, "viswords-split-1");
  vw_hasher_field(h, class_name);
  vw_hasher_field(h, text);
  const uint64_t key = vw_hasher_done(h).lo;
  vw_hasher_destroy(h);
  for (int64_t i = names->n - 1, k = 0; i > 0; i--, k++) {
    const int64_t j = vw_below(vw_draw_u32(key, 0, VW_DRAW_SPLIT, (uint32_t)k), (uint32_t)(i + 1));
    char *name = names->name[i];
    names->name[i] = names->name[j], names->name[j] = name;
  }
  return VW_OK;
}

static void split_sizes(int64_t N, const vw_folders_options *o, int64_t *train, int64_t *test) {
  if (N < 2)
    *train = N, *test = 0;
  else if (!o->train && !o->test)
    *train = (N + 1) / 2, *test = N - *train;
  else if (!o->train) /* only one is limited: the other takes the rest, but leaves one */
    *test = o->test < N - 1 ? o->test : N - 1, *train = N - *test;
  else if (!o->test)
    *train = o->train < N - 1 ? o->train : N - 1, *test = N - *train;
  else if (N >= o->train + o->test)
    *train = o->train, *test = o->test;
  else {
    *train = N * o->train / (o->train + o->test);
    if (*train < 1) *train = 1;
    *test = N - *train;
  }
}

/* Few pictures: a third of them, or one of `folds` parts, is held out, and all others are learned from. */
static vw_status split_subject(vw_class_pictures *c, const char *folder, vw_name_list *names,
                               const vw_folders_options *o) {
  const int64_t N = names->n, third = N / 3 > 1 ? N / 3 : N > 1;
  const int64_t first = o->folds ? N * o->fold / o->folds : N - third;
  const int64_t last = o->folds ? N * (o->fold + 1) / o->folds : N;
  VW_CHECK(N >= o->folds, VW_ERR_INPUT, "'%s' has %" PRId64 " pictures in %s, fewer than the %" PRId64 " folds",
           c->name, N, folder, o->folds);
  const vw_name_list held_out = {.n = last - first, .name = names->name + first};
  VW_TRY(take(&c->test, folder, &held_out, 0, o->test && o->test < held_out.n ? o->test : held_out.n));
  char **rest = malloc((size_t)(N + 1) * sizeof *rest);
  VW_CHECK(rest, VW_ERR_MEMORY, "class %s: out of memory", c->name);
  int64_t n = 0;
  for (int64_t i = 0; i < N; i++)
    if (i < first || i >= last) rest[n++] = names->name[i];
  const vw_name_list learned = {.n = n, .name = rest};
  const vw_status st = take(&c->train, folder, &learned, 0, o->train && o->train < n ? o->train : n);
  free(rest);
  return st;
}

static vw_status split_seeded(vw_class_pictures *c, const char *folder, vw_name_list *names,
                              const vw_folders_options *options, const char *hint) {
  int64_t train, test;
  c->train_there = names->n;
  VW_CHECK(names->n >= 2 || (names->n == 1 && options->no_test), VW_ERR_INPUT,
           "class '%s' has %" PRId64
           " picture%s in %s; expected at least 2 files *.jpg, *.jpeg, *.png or *.webp, one to learn "
           "from and one to judge by%s",
           c->name, names->n, names->n == 1 ? "" : "s", folder, hint);
  VW_TRY(shuffle(names, c->name, options->seed));
  if (options->subjects) return split_subject(c, folder, names, options);
  split_sizes(names->n, options, &train, &test);
  VW_TRY(take(&c->train, folder, names, 0, train));
  VW_TRY(take(&c->test, folder, names, train, test));
  return VW_OK;
}

/* Moves `more` into *all. */
static void add_unread(vw_unread *all, const vw_unread *more) {
  all->n += more->n;
  if (all->first)
    free(more->first);
  else
    all->first = more->first;
}

/* One part of a data set that has its own split. */
static vw_status read_part(vw_pictures *to, const char *part, const char *name, int64_t limit, int64_t *there,
                           vw_unread *unread) {
  vw_name_list names;
  vw_unread mine = {0};
  char folder[VW_PATH_BYTES], hint[VW_PATH_BYTES];
  VW_TRY(vw_path_format(folder, "%s/%s", part, name));
  VW_TRY(list(folder, false, &names));
  *there = names.n;
  vw_status st = note_unread(folder, &mine);
  if (st == VW_OK && names.n == 0)
    st = VW_RAISE(VW_ERR_INPUT, "class '%s' has no picture in %s; expected files *.jpg, *.jpeg, *.png or *.webp%s",
                  name, folder, unread_hint(&mine, hint));
  add_unread(unread, &mine);
  if (st == VW_OK) st = take(to, folder, &names, 0, limit && limit < names.n ? limit : names.n);
  vw_name_list_free(&names);
  return st;
}

/* `folder_name`: the class as its folder spells it. */
static vw_status read_class(vw_class_pictures *c, const char *name, const char *folder_name, const char *train,
                            const char *test, bool own, const vw_folders_options *options, vw_unread *unread) {
  vw_name_list names;
  vw_unread mine = {0};
  char folder[VW_PATH_BYTES], hint[VW_PATH_BYTES];
  c->name = strdup(name);
  VW_CHECK(c->name, VW_ERR_MEMORY, "class %s: out of memory", name);
  if (own) {
    VW_TRY(read_part(&c->train, train, folder_name, options->train, &c->train_there, unread));
    return test[0] ? read_part(&c->test, test, folder_name, options->test, &c->test_there, unread) : VW_OK;
  }
  VW_TRY(vw_path_format(folder, "%s/%s", train, folder_name));
  VW_TRY(list(folder, false, &names));
  vw_status st = note_unread(folder, &mine);
  if (st == VW_OK) st = split_seeded(c, folder, &names, options, unread_hint(&mine, hint));
  add_unread(unread, &mine);
  vw_name_list_free(&names);
  return st;
}

/* The folder of a class, in its own spelling. */
static vw_status find_class(const char *root, const char *name, const vw_name_list *there, const char **folder) {
  const int64_t at = vw_name_place((const char *const *)there->name, there->n, name);
  *folder = at < 0 || !there->name ? NULL : there->name[at];
  if (*folder) return VW_OK;
  const char *near = vw_near_miss(name, (const char *const *)there->name, there->n);
  return VW_RAISE(VW_ERR_INPUT, "%s: no class '%s' among its %" PRId64 " folders%s%s%s", root, name, there->n,
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

vw_status vw_folders_open(vw_folders *f, const char *root, const char *const *names, int64_t n,
                          const vw_folders_options *options) {
  vw_status st = VW_OK;
  vw_name_list there = {0};
  char train[VW_PATH_BYTES], test[VW_PATH_BYTES];
  bool own;
  *f = (vw_folders){0};
  VW_CHECK(n > 0 && options->train >= 0 && options->test >= 0, VW_ERR_ARG,
           "%s: %" PRId64 " classes of at most %" PRId64 " + %" PRId64 " pictures asked for", root, n, options->train,
           options->test);
  VW_GOTO(find_parts(root, options->subjects, train, test, &own));
  VW_GOTO(list(train, true, &there));
  if (own && !test[0] && !options->no_test)
    VW_GOTO(VW_RAISE(VW_ERR_INPUT,
                     "%s: has a folder train but none named test to judge by; add ROOT/test/CLASS, or let "
                     "ROOT/CLASS be split",
                     root));
  f->classes = calloc((size_t)n, sizeof *f->classes);
  if (!f->classes) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " classes", root, n));
  for (int64_t i = 0; i < n; i++) {
    const char *folder = NULL;
    VW_GOTO(find_class(train, names[i], &there, &folder));
    f->n++; /* so that close frees a class that is read by half */
    VW_GOTO(read_class(&f->classes[i], names[i], folder, train, test, own, options, &f->unread));
  }
cleanup:
  vw_name_list_free(&there);
  if (st != VW_OK) vw_folders_close(f);
  return st;
}

static void pictures_free(vw_pictures *p) {
  for (int64_t i = 0; i < p->n; i++) free(p->path[i]);
  free(p->path);
  free(p->hash);
}

void vw_folders_close(vw_folders *f) {
  for (int64_t i = 0; f->classes && i < f->n; i++) {
    free(f->classes[i].name);
    pictures_free(&f->classes[i].train);
    pictures_free(&f->classes[i].test);
  }
  free(f->classes), free(f->unread.first);
  *f = (vw_folders){0};
}

static vw_status hash_pictures(vw_pictures *p) {
  int64_t bytes;
  if (p->hash) return VW_OK;
  vw_hash *hash = calloc((size_t)p->n + 1, sizeof *hash);
  VW_CHECK(hash, VW_ERR_MEMORY, "out of memory for %" PRId64 " pictures", p->n);
  for (int64_t i = 0; i < p->n; i++) {
    const vw_status st = vw_file_hash(p->path[i], &hash[i], &bytes);
    if (st != VW_OK) {
      free(hash);
      return st;
    }
  }
  p->hash = hash;
  return VW_OK;
}

vw_status vw_folders_hash(vw_folders *f) {
  for (int64_t i = 0; i < f->n; i++) {
    VW_TRY(hash_pictures(&f->classes[i].train));
    VW_TRY(hash_pictures(&f->classes[i].test));
  }
  return VW_OK;
}
