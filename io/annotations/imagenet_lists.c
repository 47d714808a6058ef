#include "io/annotations/imagenet_lists.h"

#include "io/annotations/internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* The next line of *at without white space around it, ended; NULL behind the last one. */
static char *next_line(char **at) {
  char *line = *at;
  if (!line || !*line) return NULL;
  char *end = line + strcspn(line, "\n");
  *at = *end ? end + 1 : end;
  *end = 0;
  while (isspace((unsigned char)*line)) line++;
  for (end = line + strlen(line); end > line && isspace((unsigned char)end[-1]);) *--end = 0;
  return line;
}

/* Cuts the first word off *at; "" where there is none. */
static char *next_word(char **at) {
  char *word = *at + strspn(*at, " \t"), *end = word + strcspn(word, " \t");
  *at = end + strspn(end, " \t");
  *end = 0;
  return word;
}

static int64_t count_lines(const char *text) {
  int64_t n = 1;
  for (; *text; text++) n += *text == '\n';
  return n;
}

static bool is_number(const char *s) {
  return *s && s[strspn(s, "0123456789")] == 0 && strlen(s) < 10;
}

/* The first that is there; "": none. */
static vw_status find_file(const char *const *folders, size_t n_folders, const char *const *names, size_t n_names,
                           char path[VW_PATH_BYTES]) {
  for (size_t i = 0; i < n_names; i++)
    for (size_t k = 0; k < n_folders; k++) {
      VW_TRY(vw_path_format(path, "%s/%s", folders[k], names[i]));
      if (vw_file_exists(path)) return VW_OK;
    }
  path[0] = 0;
  return VW_OK;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int by_wnid(const void *a, const void *b) {
  return strcmp(((const vw_wnid_entry *)a)->wnid, ((const vw_wnid_entry *)b)->wnid);
}

static vw_status read_names(vw_wnid_names *names) {
  int64_t number = 0;
  names->entry = malloc((size_t)count_lines(names->text) * sizeof *names->entry);
  VW_CHECK(names->entry, VW_ERR_MEMORY, "%s: out of memory", names->path);
  for (char *at = names->text, *line = NULL; (line = next_line(&at));) {
    number++;
    if (!*line || *line == '#') continue;
    char *wnid = next_word(&line), *rest = line;
    char *first = next_word(&line);
    if (is_number(first) && *line)
      rest = line; /* map_clsloc.txt */
    else if (*line)
      first[strlen(first)] = ' '; /* a name of several words: put back together */
    VW_CHECK(*rest, VW_ERR_INPUT, "%s:%" PRId64 ": expected a class's number and its name: '%s'", names->path, number,
             wnid);
    rest[strcspn(rest, ",")] = 0;
    names->entry[names->n++] = (vw_wnid_entry){wnid, rest};
  }
  qsort(names->entry, (size_t)names->n, sizeof *names->entry, by_wnid);
  return VW_OK;
}

vw_status vw_wnid_names_read(const char *root, const char *path, vw_wnid_names *names) {
  static const char *const files[] = {"LOC_synset_mapping.txt", "synset_words.txt", "words.txt", "map_clsloc.txt"};
  *names = (vw_wnid_names){0};
  if (path)
    VW_TRY(vw_path_format(names->path, "%s", path));
  else
    VW_TRY(find_file(&root, 1, files, sizeof files / sizeof *files, names->path));
  if (!names->path[0]) return VW_OK;
  VW_TRY(vw_file_read_lines(names->path, &names->text));
  return read_names(names);
}

void vw_wnid_names_free(vw_wnid_names *names) {
  free(names->text), free(names->entry);
  *names = (vw_wnid_names){0};
}

const char *vw_wnid_name(const vw_wnid_names *names, const char *wnid) {
  const vw_wnid_entry key = {.wnid = wnid};
  if (!names->n) return NULL;
  const vw_wnid_entry *e = bsearch(&key, names->entry, (size_t)names->n, sizeof key, by_wnid);
  return e ? e->name : NULL;
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

typedef struct labelling {
  vw_label_list *list;
  const vw_name_list *pictures, *wnids;
  int64_t line;
} labelling;

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int64_t place_of(const vw_name_list *names, const char *name) {
  char *const *at = names->n ? bsearch(&name, names->name, (size_t)names->n, sizeof name, by_text) : NULL;
  return at ? at - names->name : -1;
}

/* A picture by its name, with or without its ending; -1: not there. */
static int64_t place_of_picture(const vw_name_list *pictures, const char *name) {
  static const char *const ends[] = {"", ".JPEG", ".jpg", ".jpeg", ".png", ".webp"};
  char file[VW_PATH_BYTES];
  int64_t at = -1;
  for (size_t i = 0; i < sizeof ends / sizeof *ends && at < 0; i++)
    if (vw_path_format(file, "%s%s", name, ends[i]) == VW_OK) at = place_of(pictures, file);
  return at;
}

static vw_status add_label(labelling *l, int64_t picture, int64_t wnid) {
  vw_label *label = &l->list->label[picture];
  VW_CHECK(!label->file, VW_ERR_INPUT, "%s:%" PRId64 ": '%s' is listed twice", l->list->path, l->line,
           l->pictures->name[picture]);
  *label = (vw_label){.file = l->pictures->name[picture], .wnid = wnid, .first_box = l->list->n_boxes};
  return VW_OK;
}

/* NAME,WNID X Y X Y ... */
static vw_status read_solution(labelling *l, char *line, int64_t *lost) {
  vw_label_list *list = l->list;
  char *comma = strchr(line, ',');
  if (l->line == 1) return VW_OK; /* its head */
  VW_CHECK(comma, VW_ERR_INPUT, "%s:%" PRId64 ": expected NAME,WNID X Y X Y ...", list->path, l->line);
  *comma = 0;
  const int64_t picture = place_of_picture(l->pictures, line);
  *lost += picture < 0;
  if (picture < 0) return VW_OK;
  char *at = comma + 1;
  for (bool first = true; *at; first = false) {
    vw_corners box;
    const char *wnid = next_word(&at);
    if (first) VW_TRY(add_label(l, picture, place_of(l->wnids, wnid)));
    for (int k = 0; k < 4; k++) {
      char *end = NULL;
      const char *word = next_word(&at);
      box.corner[k] = strtod(word, &end);
      VW_CHECK(*word && !*end && isfinite(box.corner[k]), VW_ERR_INPUT,
               "%s:%" PRId64 ": expected four numbers behind %s", list->path, l->line, wnid);
    }
    if (place_of(l->wnids, wnid) != list->label[picture].wnid) continue;
    VW_TRY(vw_list_grow((void **)&list->box, list->n_boxes, &list->box_room, sizeof box, "boxes"));
    list->box[list->n_boxes++] = box;
    list->label[picture].n_boxes++;
  }
  return VW_OK;
}

/* FILE WNID or FILE NUMBER; the file may be a path. */
static vw_status read_pair(labelling *l, char *line, int64_t *lost) {
  char *file = next_word(&line), *label = next_word(&line);
  char *slash = strrchr(file, '/');
  const int64_t picture = place_of_picture(l->pictures, slash ? slash + 1 : file);
  VW_CHECK(*label, VW_ERR_INPUT, "%s:%" PRId64 ": expected FILE WNID or FILE NUMBER", l->list->path, l->line);
  *lost += picture < 0;
  if (picture < 0) return VW_OK;
  int64_t wnid = place_of(l->wnids, label);
  if (wnid < 0 && is_number(label)) {
    wnid = strtoll(label, NULL, 10);
    VW_CHECK(wnid < l->wnids->n, VW_ERR_INPUT, "%s:%" PRId64 ": class %s of %" PRId64 ", counted from 0", l->list->path,
             l->line, label, l->wnids->n);
  }
  return add_label(l, picture, wnid);
}

/* The class folders of the ground truth's numbers. */
typedef struct numbers {
  int64_t *wnid; /* [n] -1: of none of the folders; owned */
  int64_t n;
} numbers;

/* A number a line, by the pictures' order. */
static vw_status read_number(labelling *l, const char *line, const numbers *of) {
  const int64_t picture = l->line - 1, number = is_number(line) ? strtoll(line, NULL, 10) : 0;
  VW_CHECK(number > 0 && number < of->n, VW_ERR_INPUT, "%s:%" PRId64 ": '%s' is not a class's number from 1",
           l->list->path, l->line, line);
  VW_CHECK(picture < l->pictures->n, VW_ERR_INPUT, "%s: has more lines than the %" PRId64 " pictures there are",
           l->list->path, l->pictures->n);
  return add_label(l, picture, of->wnid[number]);
}

static vw_status add_number(numbers *of, int64_t number, int64_t wnid, const char *path) {
  if (number >= of->n) {
    int64_t *more = realloc(of->wnid, (size_t)(number + 1) * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", path);
    for (of->wnid = more; of->n <= number; of->n++) more[of->n] = -1;
  }
  of->wnid[number] = wnid;
  return VW_OK;
}

/* WNID NUMBER NAME: the numbers of the ground truth. */
static vw_status read_numbers(const labelling *l, const char *root, const char *folder, numbers *of) {
  enum { MOST = 1 << 16 };
  static const char *const names[] = {"map_clsloc.txt"};
  const char *const folders[] = {root, folder};
  char path[VW_PATH_BYTES], *text = NULL;
  VW_TRY(find_file(folders, 2, names, 1, path));
  VW_CHECK(
      path[0], VW_ERR_INPUT,
      "%s: holds numbers of the development kit, whose list of classes is a MATLAB file; put map_clsloc.txt (lines "
      "\"WNID NUMBER NAME\") beside it, or LOC_val_solution.csv instead",
      l->list->path);
  VW_TRY(vw_file_read_lines(path, &text));
  vw_status st = VW_OK;
  int64_t number = 0;
  for (char *at = text, *line = NULL; st == VW_OK && (line = next_line(&at));) {
    char *wnid = next_word(&line), *value = next_word(&line);
    number++;
    const int64_t v = is_number(value) ? strtoll(value, NULL, 10) : 0;
    if (!*wnid) continue;
    st = v > 0 && v < MOST ? add_number(of, v, place_of(l->wnids, wnid), path)
                           : VW_RAISE(VW_ERR_INPUT, "%s:%" PRId64 ": expected WNID NUMBER NAME", path, number);
  }
  free(text);
  return st;
}

typedef enum form { FORM_SOLUTION, FORM_PAIRS, FORM_NUMBERS } form;

static form form_of(const char *text) {
  const size_t n = strcspn(text, "\r\n");
  if (strncmp(text, "ImageId,", 8) == 0) return FORM_SOLUTION;
  return strspn(text, "0123456789") == n ? FORM_NUMBERS : FORM_PAIRS;
}

static vw_status read_labels(labelling *l, const char *root) {
  vw_label_list *list = l->list;
  char folder[VW_PATH_BYTES];
  numbers of = {0};
  int64_t lost = 0;
  const form how = form_of(list->text);
  vw_status st = VW_OK;
  VW_TRY(vw_path_format(folder, "%s", list->path));
  *strrchr(folder, '/') = 0;
  if (how == FORM_NUMBERS) VW_GOTO(read_numbers(l, root, folder, &of));
  for (char *at = list->text, *line = NULL; (line = next_line(&at));) {
    l->line++;
    if (!*line) continue;
    VW_GOTO(how == FORM_SOLUTION ? read_solution(l, line, &lost)
            : how == FORM_PAIRS  ? read_pair(l, line, &lost)
                                 : read_number(l, line, &of));
  }
  int64_t unlabelled = 0, first = -1;
  for (int64_t i = 0; i < l->pictures->n; i++)
    if (!list->label[i].file && !unlabelled++) first = i;
  if (unlabelled)
    st = VW_RAISE(VW_ERR_INPUT, "%s: has no label for %" PRId64 " of the %" PRId64 " pictures, first %s", list->path,
                  unlabelled, l->pictures->n, l->pictures->name[first]);
  else if (lost)
    st = VW_RAISE(VW_ERR_INPUT, "%s: %" PRId64 " of the pictures that it lists are not there", list->path, lost);
cleanup:
  free(of.wnid);
  return st;
}

/* The list's own copies of the file names: the caller's list of pictures goes. */
static vw_status keep_names(vw_label_list *list) {
  for (int64_t i = 0; i < list->n; i++) {
    list->label[i].file = strdup(list->label[i].file);
    VW_CHECK(list->label[i].file, VW_ERR_MEMORY, "%s: out of memory", list->path);
    list->kept = i + 1;
  }
  return VW_OK;
}

vw_status vw_label_list_read(const char *root, const char *folder, const vw_name_list *pictures,
                             const vw_name_list *wnids, vw_label_list *list) {
  static const char *const names[] = {"LOC_val_solution.csv", "val.txt", "ILSVRC2012_validation_ground_truth.txt",
                                      "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
                                      "devkit/data/ILSVRC2012_validation_ground_truth.txt"};
  char beside[VW_PATH_BYTES];
  VW_TRY(vw_path_format(beside, "%s/..", folder));
  const char *const folders[] = {root, beside, folder};
  *list = (vw_label_list){0};
  VW_TRY(find_file(folders, 3, names, sizeof names / sizeof *names, list->path));
  VW_CHECK(
      list->path[0], VW_ERR_INPUT,
      "%s: has no class folders, and no list says what its pictures are of; expected LOC_val_solution.csv, val.txt "
      "or ILSVRC2012_validation_ground_truth.txt in %s",
      folder, root);
  VW_TRY(vw_file_read_lines(list->path, &list->text));
  list->label = calloc((size_t)pictures->n + 1, sizeof *list->label);
  VW_CHECK(list->label, VW_ERR_MEMORY, "%s: out of memory", list->path);
  labelling l = {.list = list, .pictures = pictures, .wnids = wnids};
  VW_TRY(read_labels(&l, root));
  list->n = pictures->n;
  return keep_names(list);
}

void vw_label_list_free(vw_label_list *list) {
  for (int64_t i = 0; i < list->kept; i++) free((char *)(uintptr_t)list->label[i].file);
  free(list->text), free(list->label), free(list->box);
  *list = (vw_label_list){0};
}
