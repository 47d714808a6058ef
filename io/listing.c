#include "io/listing.h"

#include "core/durable.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The first member: who gets a listing gets a folder. */
typedef struct folder {
  vw_listing listing;
  char *path, *names; /* owned; the entries' names one after the other, each behind a byte of its kind */
  int64_t bytes, place, changed_s, changed_ns;
  bool is_kept;
} folder;

static struct {
  folder **item; /* by path once they are shared */
  int64_t n, room, read;
  bool records, is_shared;
} list;

enum { IS_FOLDER = 1, IS_OUTPUT = 2, PLAIN = 4 }; /* of a name; never 0 */

static void destroy(folder *f) {
  if (!f) return;
  free(f->listing.entry), free(f->path), free(f->names);
  free(f);
}

static void forget(void) {
  for (int64_t i = 0; i < list.n; i++) destroy(list.item[i]);
  free((void *)list.item);
  memset(&list, 0, sizeof list);
}

void vw_listings_begin(void) {
  forget();
  list.records = true;
}

void vw_listings_end(void) {
  forget();
}

int64_t vw_listings_read(void) {
  return list.read;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* An output directory of ours, where DIR lies among the classes. */
static bool is_output(const char *path) {
  static const char *const files[] = {"plan.yaml", ".lock", "slurm-jobs.txt"};
  char file[VW_PATH_BYTES];
  struct stat info;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (vw_path_format(file, "%s/%s", path, files[i]) == VW_OK && lstat(file, &info) == 0) return true;
  vw_error_clear();
  return false;
}

/* What the system does not say of an entry's kind is looked up. */
static vw_status kind_of(const char *parent, const struct dirent *e, int *kind) {
  char path[VW_PATH_BYTES];
  struct stat info;
  *kind = PLAIN;
  if (e->d_type == DT_REG) return VW_OK;
  VW_TRY(vw_path_format(path, "%s/%s", parent, e->d_name));
  if (e->d_type != DT_DIR && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))) return VW_OK;
  *kind = IS_FOLDER | (is_output(path) ? IS_OUTPUT : 0);
  return VW_OK;
}

static vw_status add_name(folder *f, int64_t *room, const char *name, int kind) {
  const int64_t n = (int64_t)strlen(name) + 2;
  if (f->bytes + n > *room) {
    *room = 2 * *room + n + 4096;
    char *more = realloc(f->names, (size_t)*room);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", f->path);
    f->names = more;
  }
  f->names[f->bytes] = (char)kind;
  memcpy(f->names + f->bytes + 1, name, (size_t)n - 1);
  f->bytes += n;
  f->listing.n++;
  return VW_OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const vw_listing_entry *)a)->name, ((const vw_listing_entry *)b)->name);
}

/* The entries of f->names. */
static vw_status sort_entries(folder *f) {
  vw_listing *l = &f->listing;
  const char *at = f->names;
  l->entry = calloc((size_t)l->n + 1, sizeof *l->entry);
  VW_CHECK(l->entry, VW_ERR_MEMORY, "%s: out of memory", f->path);
  for (int64_t i = 0; i < l->n; i++, at += strlen(at) + 1)
    l->entry[i] =
        (vw_listing_entry){.name = at + 1, .is_folder = (*at & IS_FOLDER) != 0, .is_output = (*at & IS_OUTPUT) != 0};
  if (l->n) qsort(l->entry, (size_t)l->n, sizeof *l->entry, by_name);
  return VW_OK;
}

static vw_status read_names(folder *f, DIR *dir) {
  const struct dirent *e;
  int64_t room = 0;
  while (errno = 0, (e = readdir(dir))) {
    int kind = PLAIN;
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    VW_TRY(kind_of(f->path, e, &kind));
    VW_TRY(add_name(f, &room, e->d_name, kind));
  }
  VW_CHECK(!errno, VW_ERR_IO, "%s: cannot list the folder: %s", f->path, strerror(errno));
  return sort_entries(f);
}

static void note_look(folder *f, const struct stat *info) {
  f->place = (int64_t)info->st_ino;
  f->changed_s = (int64_t)info->st_mtim.tv_sec, f->changed_ns = (int64_t)info->st_mtim.tv_nsec;
}

/* The look is taken before: what changes meanwhile is then not the same to others. */
static vw_status read_folder(const char *path, folder **out, int *err) {
  struct stat info = {0};
  DIR *dir = stat(path, &info) == 0 ? opendir(path) : NULL;
  *err = dir ? 0 : errno;
  VW_CHECK(dir, VW_ERR_IO, "%s: cannot open the folder: %s", path, strerror(*err));
  folder *f = calloc(1, sizeof *f);
  if (f) f->path = strdup(path), note_look(f, &info);
  const vw_status st = f && f->path ? read_names(f, dir) : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  (void)closedir(dir);
  list.read++;
  if (st != VW_OK) destroy(f), f = NULL;
  *out = f;
  return st;
}

/* ---- what is known ----------------------------------------------------------------------------------------------- */

static int by_path(const void *a, const void *b) {
  return strcmp((*(folder *const *)a)->path, (*(folder *const *)b)->path);
}

static folder *find(const char *path) {
  if (list.is_shared) {
    folder key = {.path = (char *)(uintptr_t)path}, *at = &key;
    folder **found =
        list.n ? bsearch((void *)&at, (void *)list.item, (size_t)list.n, sizeof(*list.item), by_path) : NULL;
    return found ? *found : NULL;
  }
  for (int64_t i = list.n - 1; i >= 0; i--) /* a folder is asked for again soon */
    if (strcmp(list.item[i]->path, path) == 0) return list.item[i];
  return NULL;
}

/* What was shared counts where this rank sees the same folder. */
static bool holds(const folder *f, const char *path) {
  struct stat info;
  if (!f || !list.is_shared) return f != NULL;
  return stat(path, &info) == 0 && (int64_t)info.st_ino == f->place && (int64_t)info.st_mtim.tv_sec == f->changed_s &&
         (int64_t)info.st_mtim.tv_nsec == f->changed_ns;
}

static vw_status keep(folder *f) {
  if (list.n == list.room) {
    const int64_t room = 2 * list.room + 64;
    folder **more = realloc((void *)list.item, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", f->path);
    list.item = more, list.room = room;
  }
  list.item[list.n++] = f;
  f->is_kept = true;
  return VW_OK;
}

/* In the place of what was shared, which is of another folder. Nobody has it open: listings are read one after the other. */
static void replace(const folder *shared, folder *f) {
  int64_t i = 0;
  while (list.item[i] != shared) i++;
  destroy(list.item[i]);
  list.item[i] = f, f->is_kept = true;
}

vw_status vw_listing_open(const char *path, const vw_listing **l, int *err) {
  int number = 0;
  folder *f = find(path), *known = f;
  *l = NULL;
  if (err) *err = 0;
  if (!holds(f, path)) {
    const vw_status st = read_folder(path, &f, &number);
    if (err) *err = number;
    VW_TRY(st);
    if (known && list.is_shared) replace(known, f);
    if (list.records) {
      const vw_status kept = keep(f);
      if (kept != VW_OK) destroy(f);
      VW_TRY(kept);
    }
  }
  *l = &f->listing;
  return VW_OK;
}

void vw_listing_close(const vw_listing *l) {
  folder *f = (folder *)(uintptr_t)l;
  if (f && !f->is_kept) destroy(f);
}

/* ---- sharing ----------------------------------------------------------------------------------------------------- */

/* On the way: this, the path with its zero, the names. */
typedef struct header {
  int64_t path_bytes, bytes, n, place, changed_s, changed_ns;
} header;

static int64_t bytes_of_all(void) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < list.n; i++)
    bytes += (int64_t)sizeof(header) + (int64_t)strlen(list.item[i]->path) + 1 + list.item[i]->bytes;
  return bytes;
}

static void pack(char *to) {
  for (int64_t i = 0; i < list.n; i++) {
    const folder *f = list.item[i];
    const header h = {(int64_t)strlen(f->path) + 1, f->bytes, f->listing.n, f->place, f->changed_s, f->changed_ns};
    memcpy(to, &h, sizeof h), to += sizeof h;
    memcpy(to, f->path, (size_t)h.path_bytes), to += h.path_bytes;
    if (h.bytes) memcpy(to, f->names, (size_t)h.bytes);
    to += h.bytes;
  }
}

static vw_status unpack_one(const char **at) {
  header h;
  memcpy(&h, *at, sizeof h), *at += sizeof h;
  folder *f = calloc(1, sizeof *f);
  if (f) f->path = malloc((size_t)h.path_bytes), f->names = malloc((size_t)h.bytes + 1);
  vw_status st = f && f->path && f->names ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "folders: out of memory");
  if (st == VW_OK) {
    memcpy(f->path, *at, (size_t)h.path_bytes);
    memcpy(f->names, *at + h.path_bytes, (size_t)h.bytes);
    f->bytes = h.bytes, f->listing.n = h.n, f->place = h.place, f->changed_s = h.changed_s,
    f->changed_ns = h.changed_ns;
    st = sort_entries(f);
  }
  if (st == VW_OK) st = keep(f);
  if (st != VW_OK) destroy(f);
  *at += h.path_bytes + h.bytes;
  return st;
}

static vw_status unpack(const char *at, int64_t n) {
  vw_status st = VW_OK;
  forget();
  for (int64_t i = 0; st == VW_OK && i < n; i++) st = unpack_one(&at);
  if (st == VW_OK && list.n) qsort((void *)list.item, (size_t)list.n, sizeof(*list.item), by_path);
  list.is_shared = true;
  return st;
}

vw_status vw_listings_share(const vw_ranks *ranks) {
  const bool gives = ranks->rank == 0;
  int64_t head[2] = {list.n, bytes_of_all()};
  if (ranks->size == 1) return VW_OK;
  VW_TRY(vw_ranks_broadcast(ranks, head, sizeof head, 0));
  char *all = malloc((size_t)head[1] + 1);
  vw_status st = vw_agree(ranks, all ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "folders: out of memory"));
  if (st == VW_OK && gives) pack(all);
  if (st == VW_OK) st = vw_ranks_broadcast(ranks, all, head[1], 0);
  if (st == VW_OK) st = vw_agree(ranks, gives ? VW_OK : unpack(all, head[0]));
  free(all);
  return st;
}
