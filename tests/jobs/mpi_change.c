/* Run by scripts: mpi_change FILE TENSOR INDEX adds 1e-3 to one number of a block's results and writes the file
 * again, checksum and all: as another machine might have computed it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"

enum { MOST = 32 };

static vw_status change(const vw_safetensors *f, const char *path, const char *tensor, int64_t index, char *copy) {
  static const char *const keys[] = {"kind",    "block",  "sequence", "model", "data",    "steps",
                                     "seconds", "trials", "columns",  "rows",  "concept", "judging"};
  vw_safetensors_entry entries[MOST];
  vw_keyvalue metadata[MOST];
  int64_t n = vw_safetensors_count(f), m = 0;
  VW_CHECK(n <= MOST, VW_ERR_INPUT, "%s: too many tensors", path);
  for (int64_t i = 0; i < n; i++) {
    entries[i] = (vw_safetensors_entry){vw_safetensors_name(f, i), vw_safetensors_tensor(f, i)};
    if (strcmp(entries[i].name, tensor) != 0) continue;
    memcpy(copy, entries[i].tensor.data, vw_bytes(&entries[i].tensor));
    entries[i].tensor.data = copy;
    if (entries[i].tensor.dtype == VW_F64)
      vw_f64(&entries[i].tensor)[index] += 1e-3;
    else
      vw_f32(&entries[i].tensor)[index] += 1e-3F;
  }
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (vw_safetensors_metadata(f, keys[i]))
      metadata[m++] = (vw_keyvalue){keys[i], vw_safetensors_metadata(f, keys[i])};
  return vw_safetensors_write(path, entries, n, metadata, m);
}

int main(int argc, char **argv) {
  vw_safetensors *f = NULL;
  if (argc != 4) return 2;
  vw_status st = vw_safetensors_open(&f, argv[1]);
  size_t bytes = 0;
  if (st == VW_OK) (void)vw_safetensors_bytes(f, &bytes);
  char *copy = malloc(bytes + 1);
  if (st == VW_OK && copy) st = change(f, argv[1], argv[2], strtoll(argv[3], NULL, 10), copy);
  if (st != VW_OK) (void)fprintf(stderr, "%s\n", vw_error_message());
  free(copy);
  vw_safetensors_close(f);
  return st == VW_OK ? 0 : 1;
}
