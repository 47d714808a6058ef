/* COCO's instances_X.json: the stream of JSON events and what is made of them. */
#include "io/annotations/annotations.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

void fuzz_one(const uint8_t *data, size_t size) {
  vw_annotations *a = NULL;
  if (vw_coco_read(fuzz_file("input", data, size), &a) != VW_OK) return;
  for (int64_t i = 0; i < a->n_boxes; i++) {
    const vw_annotated_box *b = &a->boxes[i];
    if (b->picture < 0 || b->picture >= a->n_pictures || b->class_index < 0 || b->class_index >= a->n_classes) abort();
    if (i && b->picture < a->boxes[i - 1].picture) abort();
    if (!(b->box[2] >= 0 && b->box[3] >= 0 && b->area >= 0)) abort();
  }
  vw_annotations_destroy(a);
}
