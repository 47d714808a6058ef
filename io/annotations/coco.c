/* COCO's instances, read as a stream of events: the place in the file is (section, element, member), and only the
 * members below are kept. Ids are resolved at the end, because the sections come in any order. */
#include "io/annotations/internal.h"
#include "io/annotations/json_stream.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum section { SEC_OTHER, SEC_IMAGES, SEC_ANNOTATIONS, SEC_CATEGORIES } section;
typedef enum member {
  M_OTHER,
  M_ID,
  M_FILE,
  M_WIDTH,
  M_HEIGHT,
  M_IMAGE,
  M_CATEGORY,
  M_BOX,
  M_AREA,
  M_CROWD,
  M_NAME,
  MEMBERS
} member;
static const char *const member_names[MEMBERS] = {
    "", "id", "file_name", "width", "height", "image_id", "category_id", "bbox", "area", "iscrowd", "name"};
static const char *const section_names[] = {"", "images", "annotations", "categories"};

/* The members that each section keeps, and those it cannot do without. */
#define M(x) (1u << (x))
static const unsigned kept[] = {0, M(M_ID) | M(M_FILE) | M(M_WIDTH) | M(M_HEIGHT),
                                M(M_ID) | M(M_IMAGE) | M(M_CATEGORY) | M(M_BOX) | M(M_AREA) | M(M_CROWD),
                                M(M_ID) | M(M_NAME)};
static const unsigned needed[] = {0, M(M_ID) | M(M_FILE) | M(M_WIDTH) | M(M_HEIGHT),
                                  M(M_ID) | M(M_IMAGE) | M(M_CATEGORY) | M(M_BOX), M(M_ID) | M(M_NAME)};

/* An annotation until its ids are resolved. */
typedef struct raw_box {
  int64_t id, image, category;
  double box[4], area;
  bool crowd;
} raw_box;

typedef struct category {
  int64_t id, place; /* place: in the file, later in the list of classes */
  const char *name;
} category;

typedef struct reader {
  const char *path;
  vw_annotations *a;
  raw_box *raw;
  category *categories;
  int64_t n_raw, raw_room, n_categories, category_room, picture_room;
  /* where it is */
  int depth;
  section section;
  unsigned seen_sections;
  member member;
  unsigned seen; /* members of the element */
  int n_box;     /* numbers of its bbox so far */
  /* the element */
  vw_annotated_picture picture;
  raw_box box;
  category category;
} reader;

/* Depths: 1 the file's object, 2 a section's list, 3 an element, 4 its bbox. */
static bool in_element(const reader *r) {
  return r->depth == 3 && r->section != SEC_OTHER;
}

static int64_t element_place(const reader *r) {
  return r->section == SEC_IMAGES ? r->a->n_pictures : r->section == SEC_ANNOTATIONS ? r->n_raw : r->n_categories;
}

static vw_status wrong_type(reader *r, const char *expected) {
  return VW_RAISE(VW_ERR_INPUT, "%s: %s[%" PRId64 "].%s is not %s", r->path, section_names[r->section],
                  element_place(r), member_names[r->member], expected);
}

static vw_status on_start_map(void *user) {
  reader *r = user;
  if (r->depth == 3 && in_element(r) && r->member != M_OTHER) return wrong_type(r, "a number or text");
  if (r->depth == 1 && r->section != SEC_OTHER)
    return VW_RAISE(VW_ERR_INPUT, "%s: '%s' is not a list", r->path, section_names[r->section]);
  r->depth++;
  if (r->depth == 3 && r->section != SEC_OTHER) {
    r->seen = 0, r->member = M_OTHER;
    r->picture = (vw_annotated_picture){0}, r->box = (raw_box){.area = -1}, r->category = (category){0};
  }
  return VW_OK;
}

static vw_status end_picture(reader *r) {
  VW_TRY(vw_list_grow((void **)&r->a->pictures, r->a->n_pictures, &r->picture_room, sizeof r->picture, "pictures"));
  r->a->pictures[r->a->n_pictures++] = r->picture;
  return VW_OK;
}

static vw_status end_box(reader *r) {
  if (r->n_box != 4)
    return VW_RAISE(VW_ERR_INPUT, "%s: annotations[%" PRId64 "].bbox has %d numbers, not 4", r->path, r->n_raw,
                    r->n_box);
  if (r->box.box[2] < 0 || r->box.box[3] < 0)
    return VW_RAISE(VW_ERR_INPUT, "%s: annotations[%" PRId64 "].bbox has a negative width or height", r->path,
                    r->n_raw);
  if (r->box.area < 0) r->box.area = r->box.box[2] * r->box.box[3];
  VW_TRY(vw_list_grow((void **)&r->raw, r->n_raw, &r->raw_room, sizeof *r->raw, "annotations"));
  r->raw[r->n_raw++] = r->box;
  return VW_OK;
}

static vw_status end_category(reader *r) {
  VW_TRY(
      vw_list_grow((void **)&r->categories, r->n_categories, &r->category_room, sizeof *r->categories, "categories"));
  r->category.place = r->n_categories;
  r->categories[r->n_categories++] = r->category;
  return VW_OK;
}

static vw_status on_end_map(void *user) {
  reader *r = user;
  if (r->depth-- != 3 || r->section == SEC_OTHER) return VW_OK;
  const unsigned missing = needed[r->section] & ~r->seen;
  r->member = M_OTHER;
  if (missing) {
    int m = 0;
    while (!(missing >> m & 1)) m++;
    return VW_RAISE(VW_ERR_INPUT, "%s: %s[%" PRId64 "] has no '%s'", r->path, section_names[r->section],
                    element_place(r), member_names[m]);
  }
  return r->section == SEC_IMAGES ? end_picture(r) : r->section == SEC_ANNOTATIONS ? end_box(r) : end_category(r);
}

static vw_status on_start_array(void *user) {
  reader *r = user;
  if (r->depth == 0)
    return VW_RAISE(VW_ERR_INPUT, "%s: is a list; expected COCO's object of images, annotations and categories",
                    r->path);
  if (r->depth == 2 && r->section != SEC_OTHER)
    return VW_RAISE(VW_ERR_INPUT, "%s: %s[%" PRId64 "] is not an object", r->path, section_names[r->section],
                    element_place(r));
  if (in_element(r) && r->member != M_OTHER && r->member != M_BOX) return wrong_type(r, "a number or text");
  r->n_box = r->depth == 3 ? 0 : r->n_box;
  r->depth++;
  return VW_OK;
}

static vw_status on_end_array(void *user) {
  reader *r = user;
  r->depth--;
  if (r->depth == 1) r->section = SEC_OTHER;
  return VW_OK;
}

static vw_status on_key(void *user, const char *key, size_t n) {
  reader *r = user;
  if (r->depth == 1) {
    r->section = SEC_OTHER;
    for (int s = SEC_IMAGES; s <= SEC_CATEGORIES; s++)
      if (strlen(section_names[s]) == n && !memcmp(key, section_names[s], n)) r->section = (section)s;
    if (r->section != SEC_OTHER && r->seen_sections & 1u << r->section)
      return VW_RAISE(VW_ERR_INPUT, "%s: has '%s' twice", r->path, section_names[r->section]);
    r->seen_sections |= 1u << r->section;
    return VW_OK;
  }
  if (!in_element(r)) return VW_OK;
  r->member = M_OTHER;
  for (int m = M_ID; m < MEMBERS; m++)
    if (kept[r->section] >> m & 1 && strlen(member_names[m]) == n && !memcmp(key, member_names[m], n))
      r->member = (member)m;
  if (r->member == M_OTHER) return VW_OK;
  if (r->seen & M(r->member))
    return VW_RAISE(VW_ERR_INPUT, "%s: %s[%" PRId64 "] has '%s' twice", r->path, section_names[r->section],
                    element_place(r), member_names[r->member]);
  r->seen |= M(r->member);
  return VW_OK;
}

/* "-12.75": at most 15 digits and no exponent. Both the digits and the power of ten are exact, so one division rounds
 * as strtod does. */
static bool plain_decimal(const char *text, size_t n, double *v) {
  static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  int64_t digits = 0;
  size_t i = text[0] == '-', behind = 0;
  if (n > 15) return false;
  for (bool point = false; i < n; i++) {
    if (text[i] == '.') {
      point = true;
    } else if (text[i] >= '0' && text[i] <= '9') {
      digits = 10 * digits + (text[i] - '0');
      behind += point;
    } else {
      return false;
    }
  }
  *v = (double)digits / power[behind];
  if (text[0] == '-') *v = -*v;
  return true;
}

/* A number's text, which the parser has checked, as a double; false: not finite. */
static bool to_double(const char *text, size_t n, double *v) {
  char copy[64];
  if (plain_decimal(text, n, v)) return true;
  if (n >= sizeof copy) return false;
  memcpy(copy, text, n);
  copy[n] = 0;
  *v = strtod(copy, NULL);
  return isfinite(*v);
}

/* Whole numbers, also as "12.0": what JSON writers of other languages make of them. */
static bool to_int(const char *text, size_t n, int64_t *v) {
  double d;
  if (!to_double(text, n, &d) || d != floor(d) || fabs(d) > 9007199254740992.0) return false;
  *v = (int64_t)d;
  return true;
}

static vw_status keep_size(reader *r, const char *text, size_t n, int64_t *out) {
  return to_int(text, n, out) && *out > 0 ? VW_OK : wrong_type(r, "a whole number above 0");
}

static vw_status keep_id(reader *r, const char *text, size_t n) {
  int64_t *to = r->section == SEC_IMAGES       ? &r->picture.id
                : r->section == SEC_CATEGORIES ? &r->category.id
                : r->member == M_ID            ? &r->box.id
                : r->member == M_IMAGE         ? &r->box.image
                                               : &r->box.category;
  return to_int(text, n, to) ? VW_OK : wrong_type(r, "a whole number");
}

static vw_status keep_area(reader *r, const char *text, size_t n) {
  return to_double(text, n, &r->box.area) && r->box.area >= 0 ? VW_OK : wrong_type(r, "a number of at least 0");
}

static vw_status keep_crowd(reader *r, const char *text, size_t n) {
  int64_t v = 0;
  if (!to_int(text, n, &v) || v < 0 || v > 1) return wrong_type(r, "0 or 1");
  r->box.crowd = v == 1;
  return VW_OK;
}

static vw_status on_number(void *user, const char *text, size_t n) {
  reader *r = user;
  if (r->section == SEC_OTHER) return VW_OK;
  if (r->depth == 4 && r->member == M_BOX) {
    double v = 0;
    if (!to_double(text, n, &v)) return wrong_type(r, "a list of numbers that fit a double");
    if (r->n_box < 4) r->box.box[r->n_box] = v;
    r->n_box++;
    return VW_OK;
  }
  if (r->depth == 1 || r->depth == 2)
    return VW_RAISE(VW_ERR_INPUT, "%s: '%s' is not a list of objects", r->path, section_names[r->section]);
  if (!in_element(r)) return VW_OK;
  switch (r->member) {
  case M_ID:
  case M_IMAGE:
  case M_CATEGORY:
    return keep_id(r, text, n);
  case M_WIDTH:
    return keep_size(r, text, n, &r->picture.width);
  case M_HEIGHT:
    return keep_size(r, text, n, &r->picture.height);
  case M_AREA:
    return keep_area(r, text, n);
  case M_CROWD:
    return keep_crowd(r, text, n);
  case M_FILE:
  case M_NAME:
    return wrong_type(r, "a text");
  case M_BOX:
    return wrong_type(r, "a list of 4 numbers");
  default:
    return VW_OK;
  }
}

static vw_status on_string(void *user, const char *text, size_t n) {
  reader *r = user;
  if (r->section == SEC_OTHER) return VW_OK;
  if (r->depth == 1 || r->depth == 2)
    return VW_RAISE(VW_ERR_INPUT, "%s: '%s' is not a list of objects", r->path, section_names[r->section]);
  if (r->depth == 4 && r->member == M_BOX) return wrong_type(r, "a list of numbers");
  if (!in_element(r) || r->member == M_OTHER) return VW_OK;
  if (r->member != M_FILE && r->member != M_NAME)
    return wrong_type(r, r->member == M_BOX ? "a list of 4 numbers" : "a number");
  if (n == 0 || memchr(text, 0, n)) return wrong_type(r, "a text without NUL");
  const char *copy = vw_pool_text(&r->a->pool, text, (ptrdiff_t)n);
  if (!copy) return VW_RAISE(VW_ERR_MEMORY, "%s: no memory for names", r->path);
  if (r->member == M_NAME) {
    r->category.name = copy;
    return VW_OK;
  }
  if (!vw_name_stays_below(copy))
    return VW_RAISE(VW_ERR_INPUT, "%s: images[%" PRId64 "].file_name '%s' leaves the folder of the pictures", r->path,
                    r->a->n_pictures, copy);
  r->picture.file = copy;
  return VW_OK;
}

/* null, true, false. iscrowd may be a truth value: other tools write that. */
static vw_status on_word(reader *r, int truth) {
  if (r->section == SEC_OTHER) return VW_OK;
  if (r->depth == 1 || r->depth == 2)
    return VW_RAISE(VW_ERR_INPUT, "%s: '%s' is not a list of objects", r->path, section_names[r->section]);
  if (r->depth == 4 && r->member == M_BOX) return wrong_type(r, "a list of numbers");
  if (!in_element(r) || r->member == M_OTHER) return VW_OK;
  if (r->member != M_CROWD || truth < 0) return wrong_type(r, "given: remove the member or give it a value");
  r->box.crowd = truth == 1;
  return VW_OK;
}

static vw_status on_null(void *user) {
  return on_word(user, -1);
}

static vw_status on_boolean(void *user, bool value) {
  return on_word(user, value);
}

static vw_status on_begin(void *user, bool object) {
  return object ? on_start_map(user) : on_start_array(user);
}

static vw_status on_end(void *user, bool object) {
  return object ? on_end_map(user) : on_end_array(user);
}

/* Lists and objects that nothing is kept of: polygons, captions, licences. */
static bool passes(void *user, bool object) {
  const reader *r = user;
  (void)object;
  if (r->depth == 0) return false;
  if (r->section == SEC_OTHER) return true;
  return in_element(r) && r->member == M_OTHER;
}

static const vw_json_events events = {.passes = passes,
                                      .null = on_null,
                                      .boolean = on_boolean,
                                      .number = on_number,
                                      .string = on_string,
                                      .key = on_key,
                                      .begin = on_begin,
                                      .end = on_end};

/* ---- ids ---- */

static int by_picture_id(const void *x, const void *y) {
  const int64_t a = ((const vw_annotated_picture *)x)->id, b = ((const vw_annotated_picture *)y)->id;
  return a < b ? -1 : a > b;
}

static int by_category_id(const void *x, const void *y) {
  const int64_t a = ((const category *)x)->id, b = ((const category *)y)->id;
  return a < b ? -1 : a > b;
}

static int by_number(const void *x, const void *y) {
  const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
  return a < b ? -1 : a > b;
}

static vw_status check_ids(const reader *r) {
  const vw_annotated_picture *p = r->a->pictures;
  for (int64_t i = 1; i < r->a->n_pictures; i++)
    VW_CHECK(p[i].id != p[i - 1].id, VW_ERR_INPUT, "%s: images '%s' and '%s' have the same id %" PRId64, r->path,
             p[i - 1].file, p[i].file, p[i].id);
  for (int64_t i = 1; i < r->n_categories; i++)
    VW_CHECK(r->categories[i].id != r->categories[i - 1].id, VW_ERR_INPUT,
             "%s: categories '%s' and '%s' have the same id %" PRId64, r->path, r->categories[i - 1].name,
             r->categories[i].name, r->categories[i].id);
  int64_t *ids = malloc(((size_t)r->n_raw + 1) * sizeof *ids), twice = 0;
  bool found = false;
  VW_CHECK(ids, VW_ERR_MEMORY, "%s: no memory for %" PRId64 " ids", r->path, r->n_raw);
  for (int64_t i = 0; i < r->n_raw; i++) ids[i] = r->raw[i].id;
  qsort(ids, (size_t)r->n_raw, sizeof *ids, by_number);
  for (int64_t i = 1; i < r->n_raw && !found; i++) found = ids[i] == ids[i - 1], twice = ids[i];
  free(ids);
  VW_CHECK(!found, VW_ERR_INPUT, "%s: two annotations have the id %" PRId64, r->path, twice);
  return VW_OK;
}

static int by_name(const void *x, const void *y) {
  const category *const a = *(const category *const *)x, *const b = *(const category *const *)y;
  const int names = strcmp(a->name, b->name);
  return names ? names : a->place < b->place ? -1 : a->place > b->place;
}

static int by_first_place(const void *x, const void *y) {
  const category *const a = *(const category *const *)x, *const b = *(const category *const *)y;
  return a->place < b->place ? -1 : a->place > b->place;
}

/* The file's list of classes. Categories of one name are one class, at the place of the first: some tools write a
 * category for a whole data set, without a box, that is called like the only class in it. */
static vw_status list_classes(reader *r) {
  vw_annotations *a = r->a;
  const int64_t n = r->n_categories;
  category **order = malloc(((size_t)n + 1) * sizeof *order);
  a->classes = calloc((size_t)n + 1, sizeof *a->classes);
  if (!order || !a->classes || n > INT32_MAX) {
    free((void *)order);
    return VW_RAISE(VW_ERR_MEMORY, "%s: no memory for its classes", r->path);
  }
  for (int64_t i = 0; i < n; i++) order[i] = &r->categories[i];
  qsort((void *)order, (size_t)n, sizeof *order, by_name);
  for (int64_t i = 1; i < n; i++)
    if (!strcmp(order[i]->name, order[i - 1]->name)) order[i]->place = order[i - 1]->place;
  qsort((void *)order, (size_t)n, sizeof *order, by_first_place);
  for (int64_t i = 0, before = -1; i < n; i++) {
    const int64_t place = order[i]->place;
    if (place != before) a->classes[a->n_classes++] = order[i]->name;
    before = place;
    order[i]->place = a->n_classes - 1;
  }
  free((void *)order);
  return VW_OK;
}

static vw_status resolve_box(const reader *r, const raw_box *raw, vw_annotated_box *out) {
  const vw_annotated_picture key = {.id = raw->image}, *p;
  const category wanted = {.id = raw->category}, *c;
  p = r->a->n_pictures ? bsearch(&key, r->a->pictures, (size_t)r->a->n_pictures, sizeof key, by_picture_id) : NULL;
  c = r->n_categories ? bsearch(&wanted, r->categories, (size_t)r->n_categories, sizeof wanted, by_category_id) : NULL;
  VW_CHECK(p, VW_ERR_INPUT, "%s: annotation %" PRId64 " is of image %" PRId64 ", which is not in 'images'", r->path,
           raw->id, raw->image);
  VW_CHECK(c, VW_ERR_INPUT, "%s: annotation %" PRId64 " is of category %" PRId64 ", which is not in 'categories'",
           r->path, raw->id, raw->category);
  *out = (vw_annotated_box){
      .picture = p - r->a->pictures, .class_index = (int32_t)c->place, .crowd = raw->crowd, .area = raw->area};
  memcpy(out->box, raw->box, sizeof out->box);
  return VW_OK;
}

static vw_status resolve(reader *r) {
  vw_annotations *a = r->a;
  for (int s = SEC_IMAGES; s <= SEC_CATEGORIES; s++)
    VW_CHECK(r->seen_sections >> s & 1, VW_ERR_INPUT, "%s: has no '%s'; expected COCO's instances", r->path,
             section_names[s]);
  if (a->n_pictures) qsort(a->pictures, (size_t)a->n_pictures, sizeof *a->pictures, by_picture_id);
  if (r->n_categories) qsort(r->categories, (size_t)r->n_categories, sizeof *r->categories, by_category_id);
  VW_TRY(check_ids(r));
  VW_TRY(list_classes(r));
  a->boxes = malloc(((size_t)r->n_raw + 1) * sizeof *a->boxes);
  VW_CHECK(a->boxes, VW_ERR_MEMORY, "%s: no memory for its boxes", r->path);
  for (int64_t i = 0; i < r->n_raw; i++) {
    VW_TRY(resolve_box(r, &r->raw[i], &a->boxes[i]));
    a->n_boxes++;
  }
  return vw_boxes_by_picture(a);
}

vw_status vw_coco_read(const char *path, vw_annotations **out) {
  reader r = {.path = path, .a = calloc(1, sizeof *r.a)};
  vw_status st = VW_OK;
  *out = NULL;
  VW_CHECK(r.a, VW_ERR_MEMORY, "out of memory");
  VW_GOTO(vw_json_stream(path, &events, &r));
  VW_GOTO(resolve(&r));
  *out = r.a, r.a = NULL;
cleanup:
  free(r.raw), free(r.categories);
  vw_annotations_destroy(r.a);
  return st;
}
