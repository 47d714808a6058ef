/* A safetensors file: opened, every tensor read to its last byte, verified. */
#include "io/safetensors.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size) {
  static volatile uint8_t sum;
  vw_safetensors *f;
  if (vw_safetensors_open(&f, fuzz_file("input", data, size)) != VW_OK) return;
  for (int64_t i = 0; i < vw_safetensors_count(f); i++) {
    const vw_tensor t = vw_safetensors_tensor(f, i);
    const uint8_t *bytes = t.data;
    for (size_t b = 0; b < vw_bytes(&t); b++) sum = (uint8_t)(sum + bytes[b]);
  }
  (void)vw_safetensors_verify(f);
  vw_safetensors_close(f);
}
