#include "bench/stand_in.h"

#include "bench/random_sd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct stand_in {
  const char *kind, *name, *owner, *size; /* owner/name on the hub */
  vw_status (*make)(const char *size, const char *dir, const char *tokenizer);
  void (*remove)(const char *dir);
} stand_in;

#define CLIP(name, owner, size)  "clip", name, owner, size, vw_hollow_clip, vw_hollow_clip_remove
#define OWLV2(name, owner, size) "owlv2", name, owner, size, vw_hollow_owlv2, vw_hollow_clip_remove
#define SD(name, owner, size)    "stable-diffusion", name, owner, size, vw_hollow_sd, vw_hollow_sd_remove

/* Stability AI took its own repositories of version 2 away in November 2025; sd2-community has copies. */
static const stand_in known[] = {{CLIP("clip-vit-base-patch32", "openai", "B/32")},
                                 {CLIP("clip-vit-base-patch16", "openai", "B/16")},
                                 {CLIP("clip-vit-large-patch14", "openai", "L/14")},
                                 {CLIP("CLIP-ViT-H-14-laion2B-s32B-b79K", "laion", "H/14")},
                                 {OWLV2("owlv2-base-patch16", "google", "base")},
                                 {OWLV2("owlv2-base-patch16-ensemble", "google", "base")},
                                 {OWLV2("owlv2-large-patch14", "google", "large")},
                                 {OWLV2("owlv2-large-patch14-ensemble", "google", "large")},
                                 {SD("stable-diffusion-v1-5", "stable-diffusion-v1-5", "1.5")},
                                 {SD("stable-diffusion-2-1-base", "sd2-community", "2.1-base")},
                                 {SD("stable-diffusion-2-1", "sd2-community", "2.1")}};

static const stand_in *find(const char *path, const char *kind) {
  size_t end = strlen(path);
  while (end > 0 && path[end - 1] == '/') end--;
  size_t begin = end;
  while (begin > 0 && path[begin - 1] != '/') begin--;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strlen(known[i].name) == end - begin && !strncmp(known[i].name, path + begin, end - begin) &&
        !strcmp(known[i].kind, kind))
      return &known[i];
  return NULL;
}

const char *vw_stand_in_of(const char *path, const char *kind) {
  static _Thread_local char id[128];
  const stand_in *s = find(path, kind);
  if (!s) return NULL;
  (void)snprintf(id, sizeof id, "%s/%s", s->owner, s->name);
  return id;
}

vw_status vw_stand_in_make(const char *path, const char *kind, const char *tokenizer, char dir[VW_PATH_BYTES]) {
  const stand_in *s = find(path, kind);
  const char *below = getenv("TMPDIR");
  VW_CHECK(s, VW_ERR_ARG, "%s: no sizes are known of it", path);
  VW_TRY(vw_path_format(dir, "%s/viswords-sizes-XXXXXX", below && *below ? below : "/tmp"));
  VW_CHECK(mkdtemp(dir), VW_ERR_IO, "%s: cannot make the folder: %s", dir, strerror(errno));
  const vw_status st = s->make(s->size, dir, tokenizer);
  if (st != VW_OK) s->remove(dir);
  return st;
}

void vw_stand_in_remove(const char *path, const char *kind, const char *dir) {
  const stand_in *s = find(path, kind);
  if (s) s->remove(dir);
}
