#include "tasks/looks.h"

#include "core/durable.h"
#include "io/pictures/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The same bytes on every rank. */
typedef struct look {
  vw_hash path, hash;
  int64_t place, size, changed_s, changed_ns;
  int64_t turned; /* -1: was not asked for */
} look;

static struct {
  look *item;
  int64_t n, room;
  int64_t read;
  bool records, is_shared;
} list;

static void forget(void) {
  free(list.item);
  memset(&list, 0, sizeof list);
}

void vw_looks_begin(void) {
  forget();
  list.records = true;
}

void vw_looks_end(void) {
  forget();
}

int64_t vw_looks_read(void) {
  return list.read;
}

static int by_path(const void *a, const void *b) {
  const look *x = a, *y = b;
  if (x->path.hi != y->path.hi) return x->path.hi < y->path.hi ? -1 : 1;
  return x->path.lo < y->path.lo ? -1 : x->path.lo > y->path.lo;
}

vw_status vw_looks_share(const vw_ranks *ranks) {
  int64_t n = list.n;
  if (ranks->size == 1) return VW_OK;
  VW_TRY(vw_ranks_broadcast(ranks, &n, sizeof n, 0));
  if (ranks->rank != 0) {
    forget();
    list.item = calloc((size_t)n + 1, sizeof *list.item);
    list.n = list.item ? n : 0, list.is_shared = true;
  } else if (n) {
    qsort(list.item, (size_t)n, sizeof *list.item, by_path);
  }
  VW_TRY(vw_agree(ranks, list.item || !n ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "pictures: out of memory")));
  return vw_ranks_broadcast(ranks, list.item, n * (int64_t)sizeof *list.item, 0);
}

static look look_of(const char *path, const struct stat *s) {
  return (look){.path = vw_hash_bytes(path, strlen(path)),
                .place = (int64_t)s->st_ino,
                .size = (int64_t)s->st_size,
                .changed_s = (int64_t)s->st_mtim.tv_sec,
                .changed_ns = (int64_t)s->st_mtim.tv_nsec,
                .turned = -1};
}

static bool is_same(const look *a, const look *b) {
  return a->place == b->place && a->size == b->size && a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

/* What rank 0 read of it; NULL: nothing, or this rank sees another file. */
static const look *known(const look *mine, bool asks_turned) {
  if (!list.is_shared || !list.n) return NULL;
  const look *theirs = bsearch(mine, list.item, (size_t)list.n, sizeof *mine, by_path);
  return theirs && is_same(mine, theirs) && (!asks_turned || theirs->turned >= 0) ? theirs : NULL;
}

static vw_status remember(const look *l) {
  if (!list.records) return VW_OK;
  if (list.n == list.room) {
    const int64_t room = 2 * list.room + 256;
    look *more = realloc(list.item, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "pictures: out of memory");
    list.item = more, list.room = room;
  }
  list.item[list.n++] = *l;
  return VW_OK;
}

vw_status vw_look_at(const char *path, vw_hash *hash, bool *turned) {
  struct stat file = {0};
  int64_t bytes = 0;
  const bool is_there = (list.records || list.is_shared) && stat(path, &file) == 0;
  look mine = look_of(path, &file);
  const look *theirs = is_there ? known(&mine, turned != NULL) : NULL;
  if (theirs) {
    *hash = theirs->hash;
    if (turned) *turned = theirs->turned > 0;
    return VW_OK;
  }
  VW_TRY(vw_file_hash(path, hash, &bytes));
  if (turned) VW_TRY(vw_image_is_turned(path, turned));
  list.read++;
  mine.hash = *hash;
  if (turned) mine.turned = *turned;
  return is_there ? remember(&mine) : VW_OK;
}
