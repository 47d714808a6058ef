/* Data sets of every kind as tasks see them: crops with one owner, whole scenes with boxes. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "tasks/pictures.h"
#include "tasks/pictures_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *fox_banana[] = {"fox", "banana"};

static vw_data_config config(vw_data_kind kind, const char *root) {
  return (vw_data_config){.name = "d",
                          .kind = (int)kind,
                          .root = root,
                          .concepts = {2, fox_banana},
                          .train = 3,
                          .test = 2,
                          .crop_margin = 1.2,
                          .crop_least = 16};
}

enum { BOTH = VW_SEES_CROPS | VW_SEES_SCENES | VW_SEES_TEST };

static vw_picture_set *opened(const vw_data_config *c, unsigned sees) {
  vw_picture_set *s = NULL;
  assert_ok(vw_picture_set_open(&s, c, 2406, sees, NULL));
  return s;
}

/* data/scenes: 84 training pictures of 14 targets, 56 to judge by. */
static void scenes_of_coco(void **state) {
  (void)state;
  const vw_data_config c = config(VW_DATA_COCO, VW_SOURCE_DIR "/data/scenes");
  vw_picture_set *s = opened(&c, BOTH);
  const int64_t fox = vw_picture_set_find(s, "fox");
  assert_true(fox >= 0);
  assert_int_equal(s->test_scenes.n, 56);
  assert_int_equal(s->owners[fox].n_chosen, 3);
  assert_int_equal(s->owners[fox].n_train, 3);
  assert_int_equal(s->owners[fox].n_test, 2);
  for (int64_t i = 1; i < s->test_scenes.n; i++)
    assert_true(s->test_scenes.scene[i].id > s->test_scenes.scene[i - 1].id);
  for (int64_t k = 0; k < 3; k++) assert_true(vw_scene_holds(&s->train_scenes, s->owners[fox].chosen[k], fox));
  int64_t *list = malloc((size_t)(s->train_scenes.n + s->test_scenes.n + 1) * sizeof *list);
  const int64_t n = vw_picture_set_negatives(s, fox, list);
  assert_true(n > 0 && n < s->train_scenes.n);
  for (int64_t i = 0; i < n; i++) assert_false(vw_scene_holds(&s->train_scenes, list[i], fox));
  assert_int_equal(vw_picture_set_negatives(s, -1, list), s->train_scenes.n);
  assert_int_equal(vw_picture_set_judged(s, fox, list), 56);
  free(list);
  vw_picture_set_close(s);
}

/* ---- data sets of this test ---- */

static char folder[] = "/tmp/viswords-pictures-XXXXXX", root[VW_PATH_BYTES];

static const char *in_root(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", root, name));
  return path;
}

/* Another empty root. */
static int fresh(void **state) {
  static int n = 0;
  (void)state;
  return vw_path_format(root, "%s/%d", folder, n++) != VW_OK || vw_folder_make(root) != VW_OK;
}

static int make_all(void **state) {
  (void)state;
  return mkdtemp(folder) == NULL;
}

static int remove_all(void **state) {
  char command[64];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command); /* NOLINT: a folder of our own */
}

static void put_text(const char *name, const char *text) {
  char parent[VW_PATH_BYTES];
  assert_ok(vw_path_format(parent, "%s", in_root(name)));
  *strrchr(parent, '/') = 0;
  assert_ok(vw_folder_make(parent));
  assert_ok(vw_file_write(in_root(name), text, (int64_t)strlen(text)));
}

/* A picture whose pixel (x, y) is (x, y, seed). */
static void put_picture(const char *name, int64_t width, int64_t height, int seed) {
  uint8_t *rgb = malloc((size_t)(width * height * 3));
  assert_non_null(rgb);
  for (int64_t i = 0; i < width * height; i++) {
    rgb[3 * i] = (uint8_t)(i % width), rgb[3 * i + 1] = (uint8_t)(i / width), rgb[3 * i + 2] = (uint8_t)seed;
  }
  put_text(name, "");
  assert_ok(vw_png_write(in_root(name), height, width, rgb));
  free(rgb);
}

/* A COCO of two classes. In train: 1 holds both, 2 a fox that is a crowd and one that is empty, 3 a fox that leaves the
 * picture, 4 one that is small. */
static const char *const TRAIN_BOXES = "{\"id\":1,\"image_id\":1,\"category_id\":7,\"bbox\":[10,20,30,40]},"
                                       "{\"id\":2,\"image_id\":1,\"category_id\":9,\"bbox\":[60,60,20,20]},"
                                       "{\"id\":3,\"image_id\":2,\"category_id\":7,\"bbox\":[0,0,50,50],\"iscrowd\":1},"
                                       "{\"id\":4,\"image_id\":2,\"category_id\":7,\"bbox\":[5,5,0,50]},"
                                       "{\"id\":5,\"image_id\":3,\"category_id\":7,\"bbox\":[-20,80,60,40]},"
                                       "{\"id\":6,\"image_id\":4,\"category_id\":7,\"bbox\":[5,5,15,15]}";

static void put_coco(const char *licence, const char *boxes) {
  static const char pictures[] = "{\"id\":1,\"file_name\":\"1.png\",\"width\":100,\"height\":100},"
                                 "{\"id\":2,\"file_name\":\"2.png\",\"width\":100,\"height\":100},"
                                 "{\"id\":3,\"file_name\":\"3.png\",\"width\":100,\"height\":100},"
                                 "{\"id\":4,\"file_name\":\"4.png\",\"width\":100,\"height\":100}";
  static const char classes[] = "{\"id\":9,\"name\":\"banana\"},{\"id\":7,\"name\":\"fox\"}";
  char text[4096], name[32];
  (void)snprintf(text, sizeof text, "{\"info\":\"%s\",\"images\":[%s],\"categories\":[%s],\"annotations\":[%s]}",
                 licence, pictures, classes, boxes);
  put_text("annotations/instances_train2017.json", text);
  (void)snprintf(text, sizeof text,
                 "{\"images\":[%s],\"categories\":[%s],\"annotations\":["
                 "{\"id\":1,\"image_id\":1,\"category_id\":7,\"bbox\":[10,20,30,40]},"
                 "{\"id\":2,\"image_id\":2,\"category_id\":9,\"bbox\":[60,60,20,20]}]}",
                 pictures, classes);
  put_text("annotations/instances_val2017.json", text);
  for (int i = 1; i <= 4; i++) {
    (void)snprintf(name, sizeof name, "train2017/%d.png", i);
    put_picture(name, 100, 100, i);
    (void)snprintf(name, sizeof name, "images/val2017/%d.png", i);
    put_picture(name, 100, 100, 10 + i);
  }
}

static vw_hash hash_of(const vw_data_config *c, unsigned sees, const char *concept) {
  vw_hash h;
  vw_picture_set *s = opened(c, sees | VW_SEES_TEST);
  assert_ok(vw_picture_set_hash(s, sees, concept, false, &h));
  vw_picture_set_close(s);
  return h;
}

static void refused(const vw_data_config *c, unsigned sees, const char *part) {
  vw_picture_set *s = NULL;
  assert_int_equal(vw_picture_set_open(&s, c, 1, sees | VW_SEES_TEST, NULL), VW_ERR_INPUT);
  if (!strstr(vw_error_message(), part)) fail_msg("'%s' is not in: %s", part, vw_error_message());
  vw_error_clear();
  assert_null(s);
}

/* ---- crops ---- */

static void crops_and_what_is_left_out(void **state) {
  (void)state;
  put_coco("a", TRAIN_BOXES);
  vw_data_config c = config(VW_DATA_COCO, root);
  vw_picture_set *s = opened(&c, VW_SEES_CROPS | VW_SEES_TEST);
  const vw_picture_owner *fox = &s->owners[vw_picture_set_find(s, "fox")];
  assert_int_equal(s->n_owners, 2);
  assert_string_equal(s->owners[0].name, "banana"); /* the file's order */
  assert_int_equal(fox->n_train, 2);                /* pictures 1 and 3: not the crowd, the empty, the small one */
  assert_int_equal(fox->n_test, 1);
  /* around (25, 40), 1.2 x 40 a side */
  const vw_crop *crop = &s->train[fox->train_first].crop;
  assert_int_equal(crop->side, 48);
  assert_int_equal(crop->x, 1);
  assert_int_equal(crop->y, 16);
  /* of what is inside, 40 x 20 around (20, 90): grey below 100 and left of 0 */
  const vw_picture *edge = &s->train[fox->train_first + 1];
  assert_int_equal(edge->crop.side, 48);
  assert_int_equal(edge->crop.x, -4);
  assert_int_equal(edge->crop.y, 66);
  vw_image image = {0};
  assert_ok(vw_picture_read(s, edge, &image));
  assert_int_equal(image.width, 48);
  for (int y = 0; y < 48; y++)
    for (int x = 0; x < 48; x++) {
      const uint8_t *p = image.rgb + (y * 48 + x) * 3;
      const int at_x = x - 4, at_y = y + 66;
      const bool outside = at_x < 0 || at_y >= 100;
      assert_int_equal(p[0], outside ? 128 : at_x);
      assert_int_equal(p[1], outside ? 128 : at_y);
      assert_int_equal(p[2], outside ? 128 : 3);
    }
  vw_image_free(&image);
  assert_true(s->n_left_out > 0);
  assert_int_equal(s->left_out[0].count, 3);
  assert_string_equal(s->left_out[0].what, "training boxes");
  assert_non_null(strstr(s->left_out[0].why,
                         "train2017: of 6 boxes no crop is made around 1 that are crowds, 0 that are "
                         "difficult, 1 that are empty or outside, 1 whose longer side is below 16 px"));
  vw_picture_set_close(s);
  c.crop_least = 41;
  refused(&c, VW_SEES_CROPS, "no box in train2017 to make a crop around (longer side at least 41 px");
}

/* Neither the licence in the file nor a class that is not used are inputs; the boxes are. */
static void hashes_of_what_is_used(void **state) {
  (void)state;
  const vw_data_config c = config(VW_DATA_COCO, root);
  put_coco("a", TRAIN_BOXES);
  const vw_hash crops = hash_of(&c, VW_SEES_CROPS, "fox"), scenes = hash_of(&c, VW_SEES_SCENES, "fox");
  put_coco("another licence", TRAIN_BOXES);
  assert_true(hash_of(&c, VW_SEES_CROPS, "fox").lo == crops.lo);
  assert_true(hash_of(&c, VW_SEES_SCENES, "fox").lo == scenes.lo);
  char moved[1024];
  (void)snprintf(moved, sizeof moved, "%s", TRAIN_BOXES);
  memcpy(strstr(moved, "[10,20,30,40]"), "[10,24,30,40]", 13);
  put_coco("a", moved);
  assert_true(hash_of(&c, VW_SEES_CROPS, "fox").lo != crops.lo);
  assert_true(hash_of(&c, VW_SEES_SCENES, "fox").lo != scenes.lo);
}

/* A concept that is added outside the classes moves nothing of another concept. */
static void growth(void **state) {
  (void)state;
  static const char *known[] = {"dog", "pear", "lobster"};
  vw_data_config c = config(VW_DATA_COCO, VW_SOURCE_DIR "/data/scenes");
  c.classes = (vw_names){3, known}, c.concepts.n = 1;
  const vw_hash crops = hash_of(&c, VW_SEES_CROPS, "fox"), scenes = hash_of(&c, VW_SEES_SCENES, "fox");
  c.concepts.n = 2;
  assert_true(hash_of(&c, VW_SEES_CROPS, "fox").lo == crops.lo);
  assert_true(hash_of(&c, VW_SEES_SCENES, "fox").lo == scenes.lo);
}

/* ---- whole scenes ---- */

static void crowds_are_held_and_not_learned(void **state) {
  (void)state;
  put_coco("a", TRAIN_BOXES);
  const vw_data_config c = config(VW_DATA_COCO, root);
  vw_picture_set *s = opened(&c, VW_SEES_SCENES | VW_SEES_TEST);
  const int64_t fox = vw_picture_set_find(s, "fox"), banana = vw_picture_set_find(s, "banana");
  assert_int_equal(s->owners[fox].n_chosen, 3); /* 1, 3 and the small one of 4; 2 has a crowd and an empty one alone */
  assert_int_equal(s->owners[banana].n_chosen, 1);
  assert_int_equal(s->train_scenes.n, 3);
  assert_int_equal(s->test_scenes.n, 4); /* all of the part */
  int64_t list[4];
  assert_int_equal(vw_picture_set_negatives(s, fox, list), 0);
  assert_int_equal(vw_picture_set_negatives(s, banana, list), 2);
  assert_int_equal(s->train_scenes.scene[0].width, 100);
  vw_picture_set_close(s);
}

static void wrong_pictures(void **state) {
  (void)state;
  put_coco("a", TRAIN_BOXES);
  const vw_data_config c = config(VW_DATA_COCO, root);
  put_picture("train2017/1.png", 100, 99, 1);
  vw_picture_set *s = opened(&c, VW_SEES_CROPS | VW_SEES_TEST);
  vw_image image = {0};
  const vw_picture *p = &s->train[s->owners[vw_picture_set_find(s, "fox")].train_first];
  assert_int_equal(vw_picture_read(s, p, &image), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "has 100 x 99 pixels, its annotation says 100 x 100"));
  vw_error_clear();
  vw_picture_set_close(s);
  assert_int_equal(remove(in_root("images/val2017/2.png")), 0);
  assert_int_equal(remove(in_root("images/val2017/3.png")), 0);
  refused(&c, VW_SEES_SCENES, "2 of the 4 pictures of 'val2017' that are needed are not there, first ");
  put_text("annotations/instances_train2014.json", "{}");
  refused(&c, VW_SEES_CROPS, "say which with split.train");
}

/* ---- VOC ---- */

static void difficult_boxes_of_voc(void **state) {
  (void)state;
  static const char *const objects =
      "<annotation><filename>%s.png</filename><size><width>100</width><height>100</height>"
      "</size>%s</annotation>";
  static const char *const fox = "<object><name>fox</name><difficult>%d</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>"
                                 "<xmax>40</xmax><ymax>30</ymax></bndbox></object>";
  static const char *const names[] = {"a", "b", "c"};
  vw_data_config c = config(VW_DATA_VOC, root);
  c.concepts.n = 1;
  put_text("ImageSets/Main/trainval.txt", "a\nb\n");
  put_text("ImageSets/Main/test.txt", "c\n");
  for (int i = 0; i < 3; i++) {
    char name[64], object[512], text[1024];
    (void)snprintf(object, sizeof object, fox, i == 1);
    (void)snprintf(text, sizeof text, objects, names[i], object);
    (void)snprintf(name, sizeof name, "Annotations/%s.xml", names[i]);
    put_text(name, text);
    (void)snprintf(name, sizeof name, "JPEGImages/%s.png", names[i]);
    put_picture(name, 100, 100, i);
  }
  vw_picture_set *s = opened(&c, BOTH);
  assert_int_equal(s->owners[0].n_train, 1);
  assert_int_equal(s->owners[0].n_chosen, 1);
  assert_true(vw_box_is_usable(&s->test_scenes.box[0]));
  assert_true(s->test_scenes.box[0].box[0] == 0 && s->test_scenes.box[0].box[2] == 40);
  vw_picture_set_close(s);
  assert_int_equal(remove(in_root("ImageSets/Main/test.txt")), 0);
  refused(&c, VW_SEES_CROPS, "neither val.txt nor test.txt to judge by");
}

/* ---- DreamBooth ---- */

static void subjects_and_folds(void **state) {
  (void)state;
  vw_data_config c = config(VW_DATA_DREAMBOOTH, VW_SOURCE_DIR "/data/subjects");
  c.train = c.test = 16;
  vw_picture_set *s = opened(&c, BOTH);
  assert_int_equal(s->owners[0].n_train, 4); /* of 5: a third, rounded down, is held out */
  assert_int_equal(s->owners[0].n_test, 1);
  assert_int_equal(s->test_scenes.scene[0].n_boxes, 1);
  assert_true(s->test_scenes.box[0].box[2] == (double)s->test_scenes.scene[0].width); /* edge to edge */
  vw_picture_set_close(s);
  char seen[8][VW_PATH_BYTES];
  for (int k = 0, n = 0; k < 5; k++) {
    c.folds = 5, c.fold = k;
    s = opened(&c, VW_SEES_CROPS | VW_SEES_TEST);
    assert_int_equal(s->owners[0].n_test, 1);
    (void)snprintf(seen[n], sizeof seen[n], "%s", s->test[s->owners[0].test_first].path);
    for (int i = 0; i < n; i++) assert_string_not_equal(seen[i], seen[n]);
    n++;
    vw_picture_set_close(s);
  }
  c.folds = 6;
  refused(&c, VW_SEES_CROPS, "fewer than the 6 folds");
}

static void boxes_beside_pictures(void **state) {
  (void)state;
  vw_data_config c = config(VW_DATA_DREAMBOOTH, root);
  c.concepts.n = 1;
  put_picture("fox/a b.png", 40, 30, 1), put_picture("fox/c.png", 40, 30, 2), put_picture("fox/d.png", 40, 30, 3);
  put_text("fox/boxes.txt", "# x y w h\na b.png 1 2 3.5 4\na b.png 5 6 7 8\n");
  vw_picture_set *s = opened(&c, VW_SEES_SCENES | VW_SEES_TEST);
  int64_t boxes = s->train_scenes.n_boxes + s->test_scenes.n_boxes, found = 0;
  assert_int_equal(boxes, 4);
  for (int i = 0; i < 2; i++) {
    const vw_scenes *p = i ? &s->test_scenes : &s->train_scenes;
    for (int64_t b = 0; b < p->n_boxes; b++) found += p->box[b].box[2] == 3.5 && p->box[b].area == 14;
  }
  assert_int_equal(found, 1);
  vw_picture_set_close(s);
  put_text("fox/boxes.txt", "c.png 1 2 x 4\n");
  refused(&c, VW_SEES_SCENES, "boxes.txt:1: expected NAME X Y WIDTH HEIGHT");
  put_text("fox/boxes.txt", "\nno.png 1 2 3 4\n");
  refused(&c, VW_SEES_SCENES, "boxes.txt:2: no picture 'no.png' beside it");
}

/* ---- ImageNet ---- */

static void put_imagenet(void) {
  for (int i = 0; i < 4; i++) {
    char name[96];
    (void)snprintf(name, sizeof name, "train/n0200000%d/n0200000%d_%d.png", 1 + i % 2, 1 + i % 2, i);
    put_picture(name, 40, 30, i);
    (void)snprintf(name, sizeof name, "val/ILSVRC2012_val_%08d.png", i + 1);
    put_picture(name, 40, 30, 10 + i);
  }
  put_text("LOC_synset_mapping.txt", "n02000001 fox, red fox\nn02000002 banana\n");
}

/* Pictures 1 and 4 of val are foxes, by each form of the list. */
static void expect_labels(const vw_data_config *c) {
  vw_picture_set *s = opened(c, VW_SEES_CROPS | VW_SEES_TEST);
  const vw_picture_owner *fox = &s->owners[vw_picture_set_find(s, "fox")];
  assert_int_equal(fox->n_train, 2);
  assert_int_equal(fox->n_test, 2);
  assert_non_null(strstr(s->test[fox->test_first].path, "val_00000001"));
  assert_non_null(strstr(s->test[fox->test_first + 1].path, "val_00000004"));
  vw_picture_set_close(s);
}

static void lists_of_imagenet(void **state) {
  (void)state;
  const vw_data_config c = config(VW_DATA_IMAGENET, root);
  put_imagenet();
  refused(&c, VW_SEES_CROPS, "no list says what its pictures are of");
  put_text("ILSVRC2012_validation_ground_truth.txt", "7\n9\n9\n7\n");
  refused(&c, VW_SEES_CROPS, "put map_clsloc.txt");
  put_text("map_clsloc.txt", "n02000001 7 fox\nn02000002 9 banana\n");
  expect_labels(&c);
  put_text("val.txt", "ILSVRC2012_val_00000001.png 0\nILSVRC2012_val_00000002.png 1\n"
                      "ILSVRC2012_val_00000003.png n02000002\nval/ILSVRC2012_val_00000004.png n02000001\n");
  expect_labels(&c);
  put_text("LOC_val_solution.csv",
           "ImageId,PredictionString\nILSVRC2012_val_00000001,n02000001 1 2 11 22 n02000001 0 0 5 5 \n"
           "ILSVRC2012_val_00000002,n02000002 1 2 3 4\nILSVRC2012_val_00000003,n02000002 1 2 3 4\n"
           "ILSVRC2012_val_00000004,n02000001 1 2 3 4\n");
  expect_labels(&c);
  put_text("Annotations/n02000001/n02000001_0.xml",
           "<annotation><size><width>80</width><height>60</height></size><object><name>n02000001</name><bndbox>"
           "<xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>60</ymax></bndbox></object></annotation>");
  vw_picture_set *s = opened(&c, VW_SEES_SCENES | VW_SEES_TEST);
  const int64_t fox = vw_picture_set_find(s, "fox");
  const vw_scene *first = &s->train_scenes.scene[s->owners[fox].chosen[0]];
  const double *b = s->train_scenes.box[first->first_box].box; /* of a picture twice as large: scaled */
  assert_true(b[0] == 5 && b[1] == 10 && b[2] == 10 && b[3] == 20);
  assert_int_equal(s->test_scenes.scene[0].n_boxes, 2);
  assert_true(s->test_scenes.box[0].box[2] == 10 && s->test_scenes.box[0].box[3] == 20);
  vw_picture_set_close(s);
  put_text("LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,n02000001 1 2 3 4\n");
  refused(&c, VW_SEES_CROPS, "has no label for 3 of the 4 pictures, first ILSVRC2012_val_00000002.png");
}

static void names_of_imagenet(void **state) {
  (void)state;
  static const char *number[] = {"n02000002"};
  vw_data_config c = config(VW_DATA_IMAGENET, root);
  put_imagenet();
  put_text("val.txt", "ILSVRC2012_val_00000001.png 0\nILSVRC2012_val_00000002.png 1\n"
                      "ILSVRC2012_val_00000003.png 1\nILSVRC2012_val_00000004.png 0\n");
  c.concepts = (vw_names){1, number};
  refused(&c, VW_SEES_CROPS, "n02000002 is 'banana' (");
  c = config(VW_DATA_IMAGENET, root);
  put_text("LOC_synset_mapping.txt", "n02000001 fox, a\nn02000002 fox, b\n");
  c.concepts.n = 1;
  refused(&c, VW_SEES_CROPS, "'fox' is both n02000001 and n02000002");
  put_text("mine.txt", "n02000001\tfox\nn02000002\tbanana split\n");
  static const char *mine[] = {"fox", "banana split"};
  char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s", in_root("mine.txt")));
  c.names = path, c.concepts = (vw_names){2, mine};
  expect_labels(&c);
  assert_int_equal(remove(in_root("LOC_synset_mapping.txt")), 0);
  c.names = NULL;
  refused(&c, VW_SEES_CROPS, "no list of names has no name for it");
}

/* ---- names ---- */

/* macOS writes names decomposed. */
static void names_in_other_forms(void **state) {
  (void)state;
  static const char *composed[] = {"caf\xc3\xa9"};
  vw_data_config c = config(VW_DATA_DREAMBOOTH, root);
  c.concepts = (vw_names){1, composed};
  put_picture("cafe\xcc\x81/a.png", 4, 4, 1), put_picture("cafe\xcc\x81/b.png", 4, 4, 2);
  vw_picture_set *s = opened(&c, VW_SEES_CROPS | VW_SEES_TEST);
  assert_string_equal(s->owners[0].name, composed[0]);
  vw_picture_set_close(s);
}

/* All names of a study that cannot be had, each under its key. */
typedef struct told {
  int n;
  char what[4][16];
  int64_t item[4];
} told;

static vw_status tell(void *user, const char *what, int64_t item, vw_status st) {
  told *t = user;
  assert_int_equal(st, VW_ERR_INPUT);
  vw_error_clear();
  (void)snprintf(t->what[t->n], sizeof t->what[0], "%s", what);
  t->item[t->n++] = item;
  return VW_OK;
}

static void every_wrong_name(void **state) {
  (void)state;
  static const char *classes[] = {"fox", "hovercraft", "pear"}, *concepts[] = {"hovercraft", "eel"};
  static const char *const roots[] = {VW_SOURCE_DIR "/data/scenes", VW_SOURCE_DIR "/data/objects"};
  for (int i = 0; i < 2; i++) {
    vw_data_config c = config(i ? VW_DATA_FOLDERS : VW_DATA_COCO, roots[i]);
    told t = {0};
    const vw_picture_refusals refusals = {tell, &t};
    vw_picture_set *s = NULL;
    c.classes = (vw_names){3, classes}, c.concepts = (vw_names){2, concepts};
    assert_ok(vw_picture_set_open(&s, &c, 1, VW_SEES_CROPS | VW_SEES_TEST, &refusals));
    assert_null(s);
    assert_int_equal(t.n, 3); /* hovercraft is in both lists */
    assert_string_equal(t.what[0], "concepts");
    assert_string_equal(t.what[1], "classes");
    assert_int_equal(t.item[1], 1);
    assert_int_equal(t.item[2], 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scenes_of_coco),
      cmocka_unit_test_setup(crops_and_what_is_left_out, fresh),
      cmocka_unit_test_setup(hashes_of_what_is_used, fresh),
      cmocka_unit_test(growth),
      cmocka_unit_test_setup(crowds_are_held_and_not_learned, fresh),
      cmocka_unit_test_setup(wrong_pictures, fresh),
      cmocka_unit_test_setup(difficult_boxes_of_voc, fresh),
      cmocka_unit_test(subjects_and_folds),
      cmocka_unit_test_setup(boxes_beside_pictures, fresh),
      cmocka_unit_test_setup(lists_of_imagenet, fresh),
      cmocka_unit_test_setup(names_of_imagenet, fresh),
      cmocka_unit_test_setup(names_in_other_forms, fresh),
      cmocka_unit_test(every_wrong_name),
  };
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
