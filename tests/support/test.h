/* What every test includes: cmocka and a few checks that print both numbers. */
#ifndef VW_TESTS_SUPPORT_TEST_H
#define VW_TESTS_SUPPORT_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/status.h"
#include "core/tensor.h"
#include "study/config.h"

/* Fails with the message and trail of the library. */
#define assert_ok(call)                                                                                                \
  do {                                                                                                                 \
    vw_status st__ = (call);                                                                                           \
    if (st__ != VW_OK) fail_msg("%s: %s\n%s", #call, vw_error_message(), vw_error_trail());                            \
  } while (0)

/* max |a - b| <= tol * max(1, max |b|); prints the worst element. Elements are doubles. */
void vw_assert_near(const char *what, const double *a, const double *b, int64_t n, double tol);

/* Deterministic numbers in (-1, 1) for test data: Philox of (seed, i). */
void vw_test_fill(double *x, int64_t n, uint64_t seed);

/* The kinds of models that study files in tests name. */
extern const vw_study_kinds vw_test_kinds;

/* Path of a file below tests/: "reference/fixtures/x.safetensors". Eight static buffers. */
const char *vw_test_path(const char *relative);
#endif
