/* The lists beside pictures, with 0 bytes between them: boxes.txt of a class folder; ImageNet's names, labels of a flat
 * val (LOC_val_solution.csv, val.txt, the numbers of ILSVRC). Those that are empty are not there. */
#include "io/annotations/dataset.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void look(const char *kind) {
  vw_data_config data = {.name = "things", .root = fuzz_folder(), .train = 4, .test = 4};
  const vw_dataset_ask ask = {.data = &data, .seed = 1, .boxes = true};
  vw_dataset d = {0};
  int k = 0;
  while (vw_dataset_kinds[k] && strcmp(vw_dataset_kinds[k]->name, kind) != 0) k++;
  if (!vw_dataset_kinds[k]) abort();
  data.kind = k;
  if (vw_dataset_read(&ask, &d) == VW_OK)
    for (int p = 0; p < VW_PARTS; p++)
      for (int64_t i = 0; i < d.part[p].n_boxes; i++)
        if (d.part[p].box[i].owner < 0 || d.part[p].box[i].owner >= d.n_owners) abort();
  vw_dataset_close(&d);
}

void fuzz_one(const uint8_t *data, size_t size) {
  static const char *const files[] = {"train/n02000001/boxes.txt",
                                      "LOC_synset_mapping.txt",
                                      "LOC_val_solution.csv",
                                      "val.txt",
                                      "ILSVRC2012_validation_ground_truth.txt",
                                      "map_clsloc.txt"};
  enum { FILES = sizeof files / sizeof *files };
  fuzz_file_once("train/n02000001/a.JPEG", ""), fuzz_file_once("train/n02000001/b.JPEG", "");
  fuzz_file_once("train/n02000002/c.JPEG", ""), fuzz_file_once("train/n02000002/d.JPEG", "");
  fuzz_file_once("val/v1.JPEG", ""), fuzz_file_once("val/v2.JPEG", "");
  for (int i = 0; i < FILES; i++) {
    const uint8_t *part;
    size_t n;
    fuzz_part(&data, &size, &part, &n);
    if (n)
      (void)fuzz_file(files[i], part, n);
    else
      fuzz_forget(files[i]);
  }
  look("imagenet");
}
