#include "core/inputs.h"

#include <stdlib.h>
#include <string.h>

typedef enum seen { ABSENT, THERE, READ } seen;

typedef struct input {
  char *path;
  seen seen;
  vw_hash hash; /* READ */
} input;

static struct {
  input *item;
  int64_t n, room;
  bool active, paused;
  int64_t contradicted; /* 1 + the item that a look saw otherwise; 0: none */
  bool starved;         /* no memory to remember a look */
} list;

static void forget(void) {
  for (int64_t i = 0; i < list.n; i++) free(list.item[i].path);
  free(list.item);
  list.item = NULL, list.n = list.room = list.contradicted = 0, list.starved = false;
}

void vw_inputs_begin(void) {
  forget();
  list.active = true, list.paused = false;
}

void vw_inputs_pause(bool paused) {
  list.paused = paused;
}

static vw_status changed(const char *path) {
  return VW_RAISE(VW_ERR_IO,
                  "%s: changed while this run read it: nothing was kept of it; the same command starts anew with "
                  "the file as it is then",
                  path);
}

vw_status vw_inputs_end(void) {
  vw_status st = VW_OK;
  if (list.contradicted) st = changed(list.item[list.contradicted - 1].path);
  if (st == VW_OK && list.starved) st = VW_RAISE(VW_ERR_MEMORY, "out of memory for the names of inputs");
  list.active = false;
  forget();
  return st;
}

static input *find(const char *path) {
  for (int64_t i = 0; i < list.n; i++)
    if (strcmp(list.item[i].path, path) == 0) return &list.item[i];
  return NULL;
}

/* A new item, not there yet; NULL: out of memory. */
static input *add(const char *path) {
  if (list.n == list.room) {
    const int64_t room = list.room ? 2 * list.room : 32;
    input *more = realloc(list.item, (size_t)room * sizeof *more);
    if (!more) return NULL;
    list.item = more, list.room = room;
  }
  input *in = &list.item[list.n];
  *in = (input){.path = strdup(path)};
  if (!in->path) return NULL;
  list.n++;
  return in;
}

vw_status vw_inputs_read(const char *path, const void *data, int64_t bytes) {
  if (!list.active || list.paused) return VW_OK;
  const vw_hash hash = vw_hash_bytes(data, (size_t)bytes);
  input *in = find(path);
  if (!in) {
    in = add(path);
    VW_CHECK(in, VW_ERR_MEMORY, "%s: out of memory", path);
    in->seen = THERE;
  }
  if (in->seen == ABSENT) return changed(path);
  if (in->seen == READ && (in->hash.lo != hash.lo || in->hash.hi != hash.hi)) return changed(path);
  in->seen = READ, in->hash = hash;
  return VW_OK;
}

void vw_inputs_looked(const char *path, bool there) {
  if (!list.active || list.paused) return;
  input *in = find(path);
  if (in) {
    if ((in->seen == ABSENT) == there && !list.contradicted) list.contradicted = in - list.item + 1;
    return;
  }
  in = add(path);
  if (in)
    in->seen = there ? THERE : ABSENT;
  else
    list.starved = true;
}

vw_status vw_inputs_digest(vw_hash *digest) {
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "inputs: out of memory");
  for (int64_t i = 0; i < list.n; i++)
    if (list.item[i].seen == READ) vw_hasher_add(h, &list.item[i].hash, sizeof(vw_hash));
  *digest = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return VW_OK;
}
