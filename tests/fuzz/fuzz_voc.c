/* An XML file of PASCAL VOC or ImageNet. */
#include "io/annotations/annotations.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

void fuzz_one(const uint8_t *data, size_t size) {
  vw_annotations *a = NULL;
  if (vw_voc_read_file(fuzz_file("input.xml", data, size), &a) != VW_OK) return;
  if (a->n_pictures != 1) abort();
  for (int64_t i = 0; i < a->n_boxes; i++) {
    const vw_annotated_box *b = &a->boxes[i];
    if (b->picture != 0 || b->class_index < 0 || b->class_index >= a->n_classes || !(b->box[2] > 0)) abort();
  }
  vw_annotations_destroy(a);
}
