/* Backends of the host: opening, memory, and the name of what decides bits. */
#include "tests/support/test.h"

#include "core/align.h"
#include "kernels/libraries.h"
#include "kernels/memory.h"
#include <string.h>

static void wrong_settings_are_refused(void **state) {
  (void)state;
  vw_context ctx;
  assert_int_equal(vw_context_open(&ctx, VW_CPU, 0, 0), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "threads is 0"));
  assert_int_equal(vw_context_open(&ctx, VW_CPU, 1, -1), VW_ERR_ARG);
}

static void host_memory_is_zeroed_and_aligned(void **state) {
  (void)state;
  static const vw_backend host[] = {VW_REF, VW_CPU};
  for (size_t i = 0; i < sizeof host / sizeof *host; i++) {
    vw_context ctx;
    assert_ok(vw_context_open(&ctx, host[i], 2, 3));
    assert_int_equal(ctx.threads, 2);
    const vw_memory *mem = vw_memory_of(host[i]);
    assert_true(mem->host);
    for (size_t bytes = 0; bytes < 200; bytes += 67) {
      static const char zero[200];
      char back[200] = {0};
      void *p = NULL;
      assert_ok(mem->allocate(&ctx, bytes, &p));
      assert_int_equal((uintptr_t)p % VW_ALIGN, 0);
      assert_memory_equal(p, zero, bytes);
      memset(back, 7, sizeof back);
      assert_ok(mem->upload(&ctx, p, back, bytes));
      assert_ok(mem->download(&ctx, back, p, bytes));
      assert_ok(mem->synchronise(&ctx));
      mem->release(&ctx, p);
    }
    vw_context_close(&ctx);
  }
}

static void an_impossible_size_is_an_error(void **state) {
  (void)state;
  vw_context ctx;
  void *p = &ctx;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_int_equal(vw_memory_of(VW_CPU)->allocate(&ctx, SIZE_MAX, &p), VW_ERR_MEMORY);
  assert_null(p);
  vw_context_close(&ctx);
}

static void kernel_sets_name_themselves(void **state) {
  (void)state;
  char text[128];
  const vw_context ref = {.backend = VW_REF, .threads = 1}, cpu = {.backend = VW_CPU, .threads = 1};
  vw_kernel_set(&ref, text);
  assert_string_equal(text, "ref");
  vw_kernel_set(&cpu, text);
  assert_true(strncmp(text, "cpu fma ", 8) == 0 || strncmp(text, "cpu portable ", 13) == 0);
  assert_non_null(strstr(text, " glibc-2."));
  assert_null(strstr(text, " winograd"));
  vw_context convolves = cpu; /* a plan of a network of convolutions names their kernels besides */
  char named[128];
  assert_ok(vw_libraries_for_convolutions(&convolves));
  vw_kernel_set(&convolves, named);
  assert_true(strncmp(named, text, strlen(text)) == 0);
  assert_string_equal(named + strlen(text), " winograd");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_settings_are_refused),
      cmocka_unit_test(host_memory_is_zeroed_and_aligned),
      cmocka_unit_test(an_impossible_size_is_an_error),
      cmocka_unit_test(kernel_sets_name_themselves),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
