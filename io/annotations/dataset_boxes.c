/* Boxes of pictures that have one owner, from a small text file beside them: FOLDER/boxes.txt, a line a box,
 *
 *   NAME X Y WIDTH HEIGHT
 *
 * in pixels from the top left corner; names may hold spaces, # begins a comment line. A picture without a line is its
 * owner's from edge to edge. */
#include "io/annotations/dataset_internal.h"

#include "core/durable.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct line {
  const char *name;
  double box[4];
  int64_t number;
} line;

typedef struct box_file {
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES];
  char *text; /* NULL: no such file */
  line *line;
  int64_t n;
} box_file;

static void close_file(box_file *f) {
  free(f->text), free(f->line);
  *f = (box_file){0};
}

/* Cuts the last word off `text`; NULL: there is none. */
static char *last_word(char *text) {
  size_t n = strlen(text);
  while (n && isspace((unsigned char)text[n - 1])) text[--n] = 0;
  while (n && !isspace((unsigned char)text[n - 1])) n--;
  if (!text[n] || !n) return NULL;
  text[n - 1] = 0;
  return text + n;
}

static vw_status read_line(box_file *f, char *text, int64_t number) {
  line *l = &f->line[f->n];
  *l = (line){.number = number};
  for (int k = 3; k >= 0; k--) {
    const char *word = last_word(text);
    char *end = NULL;
    l->box[k] = word ? strtod(word, &end) : NAN;
    VW_CHECK(word && end != word && !*end && isfinite(l->box[k]), VW_ERR_INPUT,
             "%s:%" PRId64 ": expected NAME X Y WIDTH HEIGHT", f->path, number);
  }
  VW_CHECK(l->box[2] > 0 && l->box[3] > 0, VW_ERR_INPUT, "%s:%" PRId64 ": width and height must be above 0", f->path,
           number);
  size_t n = strlen(text);
  while (n && isspace((unsigned char)text[n - 1])) text[--n] = 0;
  VW_CHECK(n, VW_ERR_INPUT, "%s:%" PRId64 ": expected NAME X Y WIDTH HEIGHT", f->path, number);
  l->name = text;
  char picture[VW_PATH_BYTES];
  VW_TRY(vw_path_format(picture, "%s/%s", f->folder, text));
  VW_CHECK(vw_file_exists(picture), VW_ERR_INPUT, "%s:%" PRId64 ": no picture '%s' beside it", f->path, number, text);
  f->n++;
  return VW_OK;
}

static vw_status open_file(box_file *f, const char *folder) {
  int64_t lines = 1, number = 1;
  close_file(f);
  VW_TRY(vw_path_format(f->folder, "%s", folder));
  VW_TRY(vw_path_format(f->path, "%s/boxes.txt", folder));
  if (!vw_file_exists(f->path)) return VW_OK;
  VW_TRY(vw_file_read_lines(f->path, &f->text));
  for (const char *p = f->text; *p; p++) lines += *p == '\n';
  f->line = calloc((size_t)lines, sizeof *f->line);
  VW_CHECK(f->line, VW_ERR_MEMORY, "%s: out of memory", f->path);
  for (char *at = f->text, *next = NULL; at && *at; at = next, number++) {
    next = strchr(at, '\n');
    if (next) *next++ = 0;
    while (isspace((unsigned char)*at)) at++;
    if (*at && *at != '#') VW_TRY(read_line(f, at, number));
  }
  return VW_OK;
}

/* The file beside a picture, opened where it is another one than the last picture's; *name: of the picture in it. */
static vw_status file_of(box_file *f, const char *path, const char **name) {
  char folder[VW_PATH_BYTES];
  VW_TRY(vw_path_format(folder, "%s", path));
  char *slash = strrchr(folder, '/');
  *name = slash ? path + (slash - folder) + 1 : path;
  if (!slash) VW_TRY(vw_path_format(folder, "."));
  if (slash) *slash = 0;
  return strcmp(folder, f->folder) == 0 ? VW_OK : open_file(f, folder);
}

static bool is_of(const line *l, const char *name) {
  return l->name && strcmp(l->name, name) == 0;
}

/* How many boxes a picture has in its file. */
static int64_t count(const box_file *f, const char *name) {
  int64_t n = 0;
  for (int64_t i = 0; i < f->n; i++) n += is_of(&f->line[i], name);
  return n;
}

static vw_status count_all(const vw_dataset_part *p, box_file *f, int64_t *boxes) {
  char path[VW_PATH_BYTES];
  const char *name = NULL;
  *boxes = 0;
  for (int64_t i = 0; i < p->n; i++) {
    VW_TRY(vw_dataset_path(p, &p->picture[i], path));
    VW_TRY(file_of(f, path, &name));
    const int64_t n = count(f, name);
    *boxes += n > p->picture[i].n_boxes ? n : p->picture[i].n_boxes;
  }
  return VW_OK;
}

static vw_status fill(vw_dataset_part *p, box_file *f, vw_box *to) {
  char path[VW_PATH_BYTES];
  const char *name = NULL;
  int64_t at = 0;
  for (int64_t i = 0; i < p->n; i++) {
    vw_dataset_picture *picture = &p->picture[i];
    VW_TRY(vw_dataset_path(p, picture, path));
    VW_TRY(file_of(f, path, &name));
    const vw_box *old = &p->box[picture->first_box];
    const int64_t first = at, n_old = picture->n_boxes;
    for (int64_t k = 0; old->whole && k < f->n; k++)
      if (is_of(&f->line[k], name)) {
        const double *b = f->line[k].box;
        to[at++] = (vw_box){.owner = old->owner, .box = {b[0], b[1], b[2], b[3]}, .area = b[2] * b[3]};
      }
    for (int64_t k = 0; at == first && k < n_old; k++) to[first + k] = old[k];
    if (at == first) at += n_old;
    picture->first_box = first, picture->n_boxes = at - first;
  }
  p->box = to, p->n_boxes = at;
  return VW_OK;
}

vw_status vw_dataset_read_boxes(vw_dataset *out) {
  box_file f = {0};
  vw_status st = VW_OK;
  for (int i = 0; i < VW_PARTS; i++) {
    int64_t n = 0;
    VW_GOTO(count_all(&out->part[i], &f, &n));
    vw_box *to = vw_pool_take(&out->pool, (size_t)(n + 1) * sizeof *to);
    if (!to) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "data set: out of memory for %" PRId64 " boxes", n));
    VW_GOTO(fill(&out->part[i], &f, to));
  }
cleanup:
  close_file(&f);
  return st;
}
