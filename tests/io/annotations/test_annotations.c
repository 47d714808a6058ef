/* COCO's JSON and VOC's XML: the embedded scenes, and a table of wrong files with the place each message names. */
#include "tests/support/test.h"

#include "io/annotations/annotations.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/viswords-annotations-XXXXXX";

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[128];
  (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
  return system(command); /* NOLINT(cert-env33-c): a folder of this test's own */
}

/* Writes folder/name (its folders are made) and returns the path: a static buffer. */
static const char *write_file(const char *name, const char *text) {
  static char path[512];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  for (char *p = strchr(path + sizeof folder, '/'); p; p = strchr(p + 1, '/')) {
    *p = 0;
    (void)mkdir(path, 0700);
    *p = '/';
  }
  FILE *f = fopen(path, "we");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
  return path;
}

static void assert_box(const vw_annotated_box *b, double x, double y, double w, double h) {
  assert_true(b->box[0] == x && b->box[1] == y && b->box[2] == w && b->box[3] == h);
}

static const vw_annotated_picture *find(const vw_annotations *a, const char *file) {
  for (int64_t i = 0; i < a->n_pictures; i++)
    if (!strcmp(a->pictures[i].file, file)) return &a->pictures[i];
  fail_msg("no picture %s", file);
  return NULL;
}

static void test_coco_scenes(void **state) {
  (void)state;
  vw_annotations *a = NULL;
  assert_ok(vw_coco_read(VW_SOURCE_DIR "/data/scenes/annotations/instances_test.json", &a));
  assert_int_equal(a->n_pictures, 56);
  assert_int_equal(a->n_boxes, 98);
  assert_int_equal(a->n_classes, 139);
  assert_string_equal(a->classes[0], "airplane");
  const vw_annotated_picture *p = find(a, "airplane-00.jpg");
  int64_t i = 0;
  while (i < a->n_boxes && a->boxes[i].picture != p - a->pictures) i++;
  assert_box(&a->boxes[i], 6, 6, 65, 52);
  assert_int_equal(a->boxes[i].class_index, 0);
  for (int64_t k = 1; k < a->n_boxes; k++) assert_true(a->boxes[k].picture >= a->boxes[k - 1].picture);
  vw_annotations_destroy(a);
}

/* Any order of sections, members that play no part, ids that are no places, numbers in all their spellings. */
static void test_coco_any_order(void **state) {
  (void)state;
  static const char text[] =
      "{\"annotations\": [{\"bbox\": [1.5, 2e0, 30, 4], \"id\": 9, \"category_id\": 70, \"image_id\": 5,\n"
      "   \"segmentation\": {\"counts\": [1, 2, [3]], \"size\": [4, 5]}, \"iscrowd\": true},\n"
      "  {\"bbox\": [0, 0, 0, 7], \"id\": 8, \"category_id\": 2, \"image_id\": 3.0, \"area\": 12.5, \"iscrowd\": 0},\n"
      "  {\"bbox\": [-5, 0, 1, 1], \"id\": 7, \"category_id\": 70, \"image_id\": 5}],\n"
      " \"info\": {\"images\": 3, \"annotations\": [[1]]},\n"
      " \"categories\": [{\"id\": 70, \"name\": \"tea\\u0070ot\", \"keypoints\": [\"nose\"]}, {\"id\": 2, \"name\": "
      "\"cat\"}],\n"
      " \"images\": [{\"id\": 5, \"file_name\": \"b/x.jpg\", \"width\": 10, \"height\": 20, \"license\": null},\n"
      "            {\"id\": 3, \"file_name\": \"a.jpg\", \"width\": 7, \"height\": 8}]}";
  vw_annotations *a = NULL;
  assert_ok(vw_coco_read(write_file("any.json", text), &a));
  assert_int_equal(a->n_pictures, 2);
  assert_string_equal(a->pictures[0].file, "a.jpg");
  assert_int_equal(a->pictures[1].height, 20);
  assert_string_equal(a->classes[0], "teapot");
  assert_int_equal(a->n_boxes, 3);
  assert_box(&a->boxes[0], 0, 0, 0, 7);
  assert_true(a->boxes[0].area == 12.5 && a->boxes[0].class_index == 1 && !a->boxes[0].crowd);
  assert_box(&a->boxes[1], 1.5, 2, 30, 4);
  assert_true(a->boxes[1].area == 120 && a->boxes[1].crowd && a->boxes[1].class_index == 0);
  assert_box(&a->boxes[2], -5, 0, 1, 1);
  vw_annotations_destroy(a);
}

/* Categories of one name are one class: what tools write that give the data set itself a category. */
static void test_coco_one_name_twice(void **state) {
  (void)state;
  static const char text[] =
      "{\"categories\": [{\"id\": 4, \"name\": \"dog\"}, {\"id\": 0, \"name\": \"cat\"}, {\"id\": 9, \"name\": "
      "\"dog\"}, "
      "{\"id\": 1, \"name\": \"bus\"}, {\"id\": 2, \"name\": \"cat\"}],\n"
      " \"images\": [{\"id\": 5, \"file_name\": \"x.jpg\", \"width\": 10, \"height\": 20}],\n"
      " \"annotations\": [{\"id\": 1, \"image_id\": 5, \"category_id\": 9, \"bbox\": [0, 0, 1, 1]},\n"
      "  {\"id\": 2, \"image_id\": 5, \"category_id\": 2, \"bbox\": [0, 0, 2, 2]},\n"
      "  {\"id\": 3, \"image_id\": 5, \"category_id\": 1, \"bbox\": [0, 0, 3, 3]},\n"
      "  {\"id\": 4, \"image_id\": 5, \"category_id\": 4, \"bbox\": [0, 0, 4, 4]}]}";
  static const char *const classes[] = {"dog", "cat", "bus"};
  static const int32_t of_box[] = {0, 1, 2, 0};
  vw_annotations *a = NULL;
  assert_ok(vw_coco_read(write_file("twice.json", text), &a));
  assert_int_equal(a->n_classes, 3);
  for (int i = 0; i < 3; i++) assert_string_equal(a->classes[i], classes[i]);
  for (int i = 0; i < 4; i++) assert_int_equal(a->boxes[i].class_index, of_box[i]);
  vw_annotations_destroy(a);
}

#define IMAGE    "{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": 7, \"height\": 8}"
#define CATEGORY "{\"id\": 1, \"name\": \"cat\"}"
#define COCO(images, categories, annotations)                                                                          \
  "{\"images\": [" images "], \"categories\": [" categories "], \"annotations\": [" annotations "]}"

static void test_coco_refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "not JSON at byte 1: the file ends where a value should be"},
      {"[1]", "is a list; expected COCO's object"},
      {"{}", "has no 'images'"},
      {"{\"images\": {}}", "'images' is not a list"},
      {"{\"images\": 3}", "'images' is not a list of objects"},
      {"{\"images\": [3]}", "'images' is not a list of objects"},
      {"{\"images\": [[]]}", "images[0] is not an object"},
      {"{\"images\": [], \"images\": []}", "has 'images' twice"},
      {"{\"images\": [], \"annotations\": [}", "not JSON at byte 32"},
      {COCO("{\"id\": 1}", CATEGORY, ""), "images[0] has no 'file_name'"},
      {COCO("{\"id\": \"x\"}", CATEGORY, ""), "images[0].id is not a number"},
      {COCO("{\"id\": 1.5}", CATEGORY, ""), "images[0].id is not a whole number"},
      {COCO("{\"id\": 1, \"id\": 1}", CATEGORY, ""), "images[0] has 'id' twice"},
      {COCO(IMAGE ", " IMAGE, CATEGORY, ""), "images 'a.jpg' and 'a.jpg' have the same id 1"},
      {COCO(IMAGE, CATEGORY ", " CATEGORY, ""), "categories 'cat' and 'cat' have the same id 1"},
      {COCO("{\"id\": 1, \"file_name\": \"../a.jpg\", \"width\": 7, \"height\": 8}", CATEGORY, ""),
       "file_name '../a.jpg' leaves the folder"},
      {COCO("{\"id\": 1, \"file_name\": \"/a.jpg\", \"width\": 7, \"height\": 8}", CATEGORY, ""), "leaves the folder"},
      {COCO("{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": 0, \"height\": 8}", CATEGORY, ""),
       "images[0].width is not a whole number above 0"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 2, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]}"),
       "annotation 4 is of image 2, which is not in 'images'"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 1, \"category_id\": 6, \"bbox\": [1, 2, 3, 4]}"),
       "annotation 4 is of category 6"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3]}"),
       "annotations[0].bbox has 3 numbers, not 4"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, -3, 4]}"),
       "annotations[0].bbox has a negative width or height"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 1e999, 4]}"),
       "annotations[0].bbox is not a list of numbers that fit"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": 5}"),
       "annotations[0].bbox is not a list of 4 numbers"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": null}"),
       "annotations[0].bbox is not given"},
      {COCO(IMAGE, CATEGORY, "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"iscrowd\": 2, \"bbox\": [1,2,3,4]}"),
       "annotations[0].iscrowd is not 0 or 1"},
      {COCO(IMAGE, CATEGORY,
            "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1,2,3,4]},"
            "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1,2,3,4]}"),
       "two annotations have the id 4"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    vw_annotations *a = NULL;
    const vw_status st = vw_coco_read(write_file("bad.json", cases[i].text), &a);
    if (st != VW_ERR_INPUT || a || !strstr(vw_error_message(), cases[i].message) ||
        !strstr(vw_error_message(), "bad.json"))
      fail_msg("%s: %s instead of '%s'", cases[i].text, vw_error_message(), cases[i].message);
  }
}

/* Lists inside each other without end cost no stack. */
static void test_coco_deep(void **state) {
  (void)state;
  static char text[100000];
  vw_annotations *a = NULL;
  (void)snprintf(text, sizeof text, "{\"info\": ");
  memset(text + strlen(text), '[', sizeof text - 1 - strlen(text));
  assert_int_equal(vw_coco_read(write_file("deep.json", text), &a), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "inside each other"));
  assert_int_equal(vw_coco_read(folder, &a), VW_ERR_INPUT);
  assert_int_equal(vw_coco_read("/tmp/viswords-annotations-none.json", &a), VW_ERR_IO);
}

static void test_voc_scenes(void **state) {
  (void)state;
  vw_annotations *a = NULL;
  assert_ok(vw_voc_read(VW_SOURCE_DIR "/data/scenes-voc", "test", &a));
  assert_true(a->n_pictures > 10 && a->n_classes > 5);
  for (int64_t i = 1; i < a->n_classes; i++) assert_true(strcmp(a->classes[i - 1], a->classes[i]) < 0);
  const vw_annotated_picture *p = find(a, "test-airplane-00.jpg");
  int64_t i = 0;
  while (i < a->n_boxes && a->boxes[i].picture != p - a->pictures) i++;
  assert_string_equal(a->classes[a->boxes[i].class_index], "airplane");
  assert_box(&a->boxes[i], 29, 50, 41, 38);
  vw_annotations_destroy(a);
}

#define VOC(objects)                                                                                                   \
  "<annotation><filename>x.jpg</filename><size><width>9</width><height>8</height></size>\n" objects "</annotation>"
#define BOX(a, b, c, d) "<bndbox><xmin>" a "</xmin><ymin>" b "</ymin><xmax>" c "</xmax><ymax>" d "</ymax></bndbox>"

static void test_voc_refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "not XML"},
      {"<annotation>", "not XML"},
      {"<annotation>\n<size>\n</annotation>", "x.xml:3: not XML"},
      {"<annotation/><annotation/>", "x.xml:1: not XML"},
      {"<annotation>&more;</annotation>", "x.xml:1: not XML"},
      {"<?xml version='1.0' encoding='none'?><annotation/>", "x.xml:1: not XML"},
      {"<other/>", "its top element is not <annotation>"},
      {"<annotation/>", "has no <size>"},
      {"<!DOCTYPE a [<!ENTITY b \"c\">]><annotation/>", "has a document type declaration"},
      {"<annotation><filename>../x.jpg</filename></annotation>", "leaves the folder"},
      {"<annotation><size><width>0</width></size></annotation>", "<width> is not a whole number above 0"},
      {VOC("<object/>"), "x.xml:2: <object> has no <name>"},
      {VOC("<object><name>cat</name></object>"), "x.xml:2: <object> has no <bndbox>"},
      {VOC("<object><name>cat</name><difficult>2</difficult></object>"), "<difficult> is neither 0 nor 1: '2'"},
      {VOC("<object><name>cat</name>" BOX("1", "2", "x", "4") "</object>"), "<xmax> is not a number: 'x'"},
      {VOC("<object><name>cat</name>" BOX("1", "2", "nan", "4") "</object>"), "<xmax> is not a number: 'nan'"},
      {VOC("<object><name>cat</name>" BOX("5", "2", "3", "4") "</object>"), "<bndbox> ends before it begins"},
  };
  (void)write_file("voc/ImageSets/Main/train.txt", "\xef\xbb\xbfx  1\r\n\n"); /* as Windows writes it */
  (void)write_file("voc/ImageSets/Main/out.txt", "x\n../x\n");
  (void)write_file("voc/ImageSets/Main/twice.txt", "x\nx\n");
  char root[128];
  vw_annotations *a = NULL;
  (void)snprintf(root, sizeof root, "%s/voc", folder);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    (void)write_file("voc/Annotations/x.xml", cases[i].text);
    if (vw_voc_read(root, "train", &a) != VW_ERR_INPUT || a || !strstr(vw_error_message(), cases[i].message))
      fail_msg("%s: %s instead of '%s'", cases[i].text, vw_error_message(), cases[i].message);
  }
  (void)write_file("voc/Annotations/x.xml",
                   VOC("<object><name> cat </name><truncated>1</truncated>" BOX("1", "1", "9.5", "8") "</object>"));
  assert_ok(vw_voc_read(root, "train", &a));
  assert_int_equal(a->n_boxes, 1);
  assert_box(&a->boxes[0], 0, 0, 9.5, 8);
  assert_true(a->boxes[0].truncated && !a->boxes[0].difficult);
  assert_string_equal(a->classes[0], "cat");
  vw_annotations_destroy(a);
  assert_int_equal(vw_voc_read(root, "out", &a), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "out.txt:2: '../x' leaves the folder"));
  assert_int_equal(vw_voc_read(root, "twice", &a), VW_ERR_INPUT);
  assert_int_equal(vw_voc_read(root, "none", &a), VW_ERR_IO);
}

/* A hundred thousand elements in each other, CDATA, a comment inside text, another encoding. */
static void test_voc_other_xml(void **state) {
  (void)state;
  static const char file[] = "<?xml version='1.0' encoding='ISO-8859-1'?>\n"
                             "<annotation><!-- a picture --><filename><![CDATA[x&y.jpg]]></filename>"
                             "<size><width>9</width><height> 8<!-- tall --></height></size><object><name>caf\xe9 "
                             "<b>au</b> lait</name>" BOX("1", "1", "9", "8") "</object>";
  enum { DEPTH = 100000 };
  vw_annotations *a = NULL;
  char root[128];
  char *text = malloc(sizeof file + 7 * DEPTH + 64);
  assert_non_null(text);
  char *at = stpcpy(text, file);
  for (int i = 0; i < DEPTH; i++) at = stpcpy(at, "<a>");
  for (int i = 0; i < DEPTH; i++) at = stpcpy(at, "</a>");
  (void)strcpy(at, "</annotation>");
  (void)write_file("voc/Annotations/x.xml", text);
  (void)snprintf(root, sizeof root, "%s/voc", folder);
  assert_ok(vw_voc_read(root, "train", &a));
  assert_string_equal(a->pictures[0].file, "x&y.jpg"); /* there is no x.jpg */
  vw_annotations_destroy(a);
  (void)write_file("voc/JPEGImages/x.jpg", "");
  assert_ok(vw_voc_read(root, "train", &a));
  assert_string_equal(a->pictures[0].file, "x.jpg");
  assert_int_equal(a->pictures[0].height, 8);
  assert_int_equal(a->n_boxes, 1);
  assert_string_equal(a->classes[0], "caf\xc3\xa9 au lait");
  vw_annotations_destroy(a);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_coco_scenes),         cmocka_unit_test(test_coco_any_order),
                                     cmocka_unit_test(test_coco_one_name_twice), cmocka_unit_test(test_coco_refused),
                                     cmocka_unit_test(test_coco_deep),           cmocka_unit_test(test_voc_scenes),
                                     cmocka_unit_test(test_voc_refused),         cmocka_unit_test(test_voc_other_xml)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
