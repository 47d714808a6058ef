/* PASCAL VOC: a list of names and one small XML file each. */
#include "core/durable.h"
#include "io/annotations/internal.h"
#include "io/annotations/xml.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_XML_BYTES = 16 << 20 };

typedef struct reader {
  vw_annotations *a;
  const char *root;
  char path[VW_PATH_BYTES]; /* of the XML file */
  vw_xml xml;               /* while it is read */
  int64_t picture_room, box_room, class_room;
} reader;

/* ---- elements ---- */

/* The text of a child without white space around it, in `out`; "" where there is no child. */
static vw_status text_of(const reader *r, const vw_xml_element *parent, const char *name, char *out, size_t bytes) {
  const vw_xml_element *e = vw_xml_child(parent, name);
  out[0] = 0;
  VW_CHECK(!e || vw_xml_text(&r->xml, e, out, bytes), VW_ERR_INPUT, "%s:%" PRId64 ": <%s> is longer than %zu bytes",
           r->path, e->line, name, bytes - 1);
  return VW_OK;
}

static vw_status number_of(const reader *r, const vw_xml_element *parent, const char *name, double *out) {
  char text[64], *end = text;
  VW_TRY(text_of(r, parent, name, text, sizeof text));
  VW_CHECK(text[0], VW_ERR_INPUT, "%s:%" PRId64 ": <%s> has no <%s>", r->path, parent->line, parent->name, name);
  *out = strtod(text, &end);
  VW_CHECK(end != text && !*end && isfinite(*out), VW_ERR_INPUT, "%s:%" PRId64 ": <%s> is not a number: '%s'", r->path,
           parent->line, name, text);
  return VW_OK;
}

/* 0 or 1; 0 where the element is missing. */
static vw_status flag_of(const reader *r, const vw_xml_element *parent, const char *name, bool *out) {
  char text[64];
  VW_TRY(text_of(r, parent, name, text, sizeof text));
  VW_CHECK(!text[0] || !strcmp(text, "0") || !strcmp(text, "1"), VW_ERR_INPUT,
           "%s:%" PRId64 ": <%s> is neither 0 nor 1: '%s'", r->path, parent->line, name, text);
  *out = text[0] == '1';
  return VW_OK;
}

static vw_status size_of(const reader *r, const vw_xml_element *top, const char *name, int64_t *out) {
  const vw_xml_element *size = vw_xml_child(top, "size");
  double v = 0;
  VW_CHECK(size, VW_ERR_INPUT, "%s: has no <size>", r->path);
  VW_TRY(number_of(r, size, name, &v));
  VW_CHECK(v >= 1 && v <= INT_MAX && v == floor(v), VW_ERR_INPUT, "%s:%" PRId64 ": <%s> is not a whole number above 0",
           r->path, size->line, name);
  *out = (int64_t)v;
  return VW_OK;
}

/* ---- a picture ---- */

/* The place of a class; a new one is added at the end. */
static vw_status class_place(reader *r, const char *name, int32_t *place) {
  vw_annotations *a = r->a;
  for (int64_t i = 0; i < a->n_classes; i++)
    if (!strcmp(a->classes[i], name)) {
      *place = (int32_t)i;
      return VW_OK;
    }
  VW_CHECK(a->n_classes < INT32_MAX, VW_ERR_INPUT, "%s: too many classes", r->path);
  VW_TRY(vw_list_grow((void **)&a->classes, a->n_classes, &r->class_room, sizeof *a->classes, "classes"));
  const char *copy = vw_pool_text(&a->pool, name, -1);
  VW_CHECK(copy, VW_ERR_MEMORY, "%s: no memory for names", r->path);
  *place = (int32_t)a->n_classes;
  a->classes[a->n_classes++] = copy;
  return VW_OK;
}

static vw_status read_corners(const reader *r, const vw_xml_element *object, vw_annotated_box *b) {
  static const char *const names[] = {"xmin", "ymin", "xmax", "ymax"};
  const vw_xml_element *box = vw_xml_child(object, "bndbox");
  double v[4];
  VW_CHECK(box, VW_ERR_INPUT, "%s:%" PRId64 ": <object> has no <bndbox>", r->path, object->line);
  for (int k = 0; k < 4; k++) VW_TRY(number_of(r, box, names[k], &v[k]));
  VW_CHECK(v[2] >= v[0] && v[3] >= v[1], VW_ERR_INPUT, "%s:%" PRId64 ": <bndbox> ends before it begins", r->path,
           box->line);
  b->box[0] = v[0] - 1, b->box[1] = v[1] - 1, b->box[2] = v[2] - v[0] + 1, b->box[3] = v[3] - v[1] + 1;
  b->area = b->box[2] * b->box[3];
  return VW_OK;
}

static vw_status read_object(reader *r, const vw_xml_element *object) {
  vw_annotations *a = r->a;
  vw_annotated_box b = {.picture = a->n_pictures};
  char name[256];
  VW_TRY(text_of(r, object, "name", name, sizeof name));
  VW_CHECK(name[0], VW_ERR_INPUT, "%s:%" PRId64 ": <object> has no <name>", r->path, object->line);
  VW_TRY(class_place(r, name, &b.class_index));
  VW_TRY(flag_of(r, object, "difficult", &b.difficult));
  VW_TRY(flag_of(r, object, "truncated", &b.truncated));
  VW_TRY(read_corners(r, object, &b));
  VW_TRY(vw_list_grow((void **)&a->boxes, a->n_boxes, &r->box_room, sizeof b, "boxes"));
  a->boxes[a->n_boxes++] = b;
  return VW_OK;
}

/* The picture that the list names, as VOC's own tools find it; else what the file says of itself, which may be out of
 * date: pictures are renamed and copied with it. */
static vw_status name_file(const reader *r, const vw_xml_element *top, const char *name, char *file, size_t bytes) {
  char path[VW_PATH_BYTES];
  VW_TRY(text_of(r, top, "filename", file, bytes));
  VW_CHECK(!file[0] || vw_name_stays_below(file), VW_ERR_INPUT, "%s: <filename> '%s' leaves the folder of the pictures",
           r->path, file);
  bool listed = !file[0];
  if (!listed && r->root) {
    VW_TRY(vw_path_format(path, "%s/JPEGImages/%s.jpg", r->root, name));
    listed = vw_file_exists(path);
  }
  if (!listed) return VW_OK;
  VW_CHECK((size_t)snprintf(file, bytes, "%s.jpg", name) < bytes, VW_ERR_INPUT, "%s: its name is too long", r->path);
  return VW_OK;
}

static vw_status read_picture(reader *r, const vw_xml_element *top, const char *name) {
  vw_annotations *a = r->a;
  vw_annotated_picture p = {.id = a->n_pictures};
  char file[512];
  VW_CHECK(!strcmp(top->name, "annotation"), VW_ERR_INPUT, "%s: its top element is not <annotation>", r->path);
  VW_TRY(name_file(r, top, name, file, sizeof file));
  VW_TRY(size_of(r, top, "width", &p.width));
  VW_TRY(size_of(r, top, "height", &p.height));
  p.file = vw_pool_text(&a->pool, file, -1);
  VW_CHECK(p.file, VW_ERR_MEMORY, "%s: no memory for names", r->path);
  for (const vw_xml_element *e = vw_xml_child(top, "object"); e; e = vw_xml_next(e, "object"))
    VW_TRY(read_object(r, e));
  VW_TRY(vw_list_grow((void **)&a->pictures, a->n_pictures, &r->picture_room, sizeof p, "pictures"));
  a->pictures[a->n_pictures++] = p;
  return VW_OK;
}

/* The file r->path. */
static vw_status read_xml(reader *r, const char *name) {
  char *text = NULL;
  int64_t bytes = 0;
  vw_status st = VW_OK;
  VW_TRY(vw_file_read(r->path, &text, &bytes));
  if (bytes > MOST_XML_BYTES)
    st = VW_RAISE(VW_ERR_INPUT, "%s: has %" PRId64 " bytes; VOC's files are small", r->path, bytes);
  if (st == VW_OK) st = vw_xml_parse(r->path, text, bytes, &r->xml);
  if (st == VW_OK) st = read_picture(r, r->xml.top, name);
  vw_xml_fini(&r->xml);
  free(text);
  return st;
}

/* ---- the list ---- */

static int by_text(const void *x, const void *y) {
  return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* Classes in bytewise order, whatever the order of the pictures. */
static vw_status sort_classes(vw_annotations *a) {
  const char **sorted = calloc((size_t)a->n_classes + 1, sizeof *sorted);
  VW_CHECK(sorted, VW_ERR_MEMORY, "out of memory");
  if (a->n_classes) memcpy(sorted, a->classes, (size_t)a->n_classes * sizeof *sorted);
  qsort(sorted, (size_t)a->n_classes, sizeof *sorted, by_text);
  for (int64_t i = 0; i < a->n_boxes; i++) {
    const char **at =
        bsearch(&a->classes[a->boxes[i].class_index], sorted, (size_t)a->n_classes, sizeof *sorted, by_text);
    a->boxes[i].class_index = (int32_t)(at - sorted);
  }
  free(a->classes);
  a->classes = sorted;
  return VW_OK;
}

/* A name of the list, which is a line's first word: the lists of single classes have 1, 0 or -1 behind it. */
static vw_status read_line(reader *r, const char *list, int64_t line, char *text) {
  text[strcspn(text, " \t\r")] = 0;
  if (!text[0]) return VW_OK;
  VW_CHECK(vw_name_stays_below(text), VW_ERR_INPUT, "%s:%" PRId64 ": '%s' leaves the folder", list, line, text);
  for (int64_t i = 0; text[0] && text[i]; i++)
    VW_CHECK(!iscntrl((unsigned char)text[i]), VW_ERR_INPUT, "%s:%" PRId64 ": a name with a control character", list,
             line);
  VW_TRY(vw_path_format(r->path, "%s/Annotations/%s.xml", r->root, text));
  VW_TRY(read_xml(r, text));
  return VW_OK;
}

static int by_pointed(const void *x, const void *y) {
  return strcmp((*(const vw_annotated_picture *const *)x)->file, (*(const vw_annotated_picture *const *)y)->file);
}

static vw_status check_files(const vw_annotations *a, const char *list) {
  const vw_annotated_picture **p = malloc(((size_t)a->n_pictures + 1) * sizeof *p);
  const char *twice = NULL;
  VW_CHECK(p, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < a->n_pictures; i++) p[i] = &a->pictures[i];
  qsort((void *)p, (size_t)a->n_pictures, sizeof *p, by_pointed);
  for (int64_t i = 1; i < a->n_pictures && !twice; i++)
    if (!strcmp(p[i]->file, p[i - 1]->file)) twice = p[i]->file;
  free((void *)p);
  VW_CHECK(!twice, VW_ERR_INPUT, "%s: two of its names are of the picture '%s'", list, twice);
  return VW_OK;
}

vw_status vw_voc_read(const char *root, const char *split, vw_annotations **out) {
  char list[VW_PATH_BYTES], *text = NULL, *next = NULL;
  reader r = {.root = root};
  vw_status st = VW_OK;
  *out = NULL;
  VW_TRY(vw_path_format(list, "%s/ImageSets/Main/%s.txt", root, split));
  VW_TRY(vw_file_read_lines(list, &text));
  r.a = calloc(1, sizeof *r.a);
  if (!r.a) st = VW_RAISE(VW_ERR_MEMORY, "out of memory");
  int64_t line = 1;
  for (char *at = text; st == VW_OK && at && *at; at = next, line++) {
    next = at + strcspn(at, "\n");
    next += *next ? (*next = 0, 1) : 0;
    VW_GOTO(read_line(&r, list, line, at + strspn(at, " \t")));
  }
  if (st != VW_OK) goto cleanup;
  VW_GOTO(check_files(r.a, list));
  VW_GOTO(sort_classes(r.a));
  *out = r.a, r.a = NULL;
cleanup:
  vw_annotations_destroy(r.a);
  free(text);
  return st;
}

vw_status vw_voc_read_file(const char *path, vw_annotations **out) {
  reader r = {.a = calloc(1, sizeof *r.a)};
  vw_status st = VW_OK;
  *out = NULL;
  VW_CHECK(r.a, VW_ERR_MEMORY, "out of memory");
  VW_GOTO(vw_path_format(r.path, "%s", path));
  VW_GOTO(read_xml(&r, "picture"));
  *out = r.a, r.a = NULL;
cleanup:
  vw_annotations_destroy(r.a);
  return st;
}
