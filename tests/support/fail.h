/* Failures on request: the n-th allocation or system call of the code under test fails, for n = 1, 2, ... until none is
 * left to fail.
 *
 * Programs named test_*_failures.c or mpi_*_failures.c are linked so that what our libraries call by the names in
 * tests/CMakeLists.txt comes here first; Jansson's allocations come here too. What other libraries do inside themselves
 * does not. */
#ifndef VW_TESTS_SUPPORT_FAIL_H
#define VW_TESTS_SUPPORT_FAIL_H

#include "tests/support/test.h"

typedef enum fail_kind {
  FAIL_MEMORY = 1,   /* malloc and its relatives, and library calls that fail for want of memory */
  FAIL_IO = 2,       /* system calls and stdio on files, with errno as asked for */
  FAIL_TRANSFER = 4, /* read and write alone; errno 0: half of what was asked for is transferred */
} fail_kind;

/* From now on the nth call (from 1) of `kind` fails with `err`, and with `all` each one after it too. */
void fail_at(fail_kind kind, int64_t nth, int err, bool all);
/* No more; true when a call failed since fail_at. */
bool fail_off(void);

/* What is tried: `prepare` makes the state before (may be NULL), `run` is the code under test, `check` asserts what
 * must hold after a failure (st is run's; VW_OK: the failure did not matter, the result must be right) and releases
 * what run made. */
typedef struct fail_case {
  const char *what;
  void (*prepare)(void);
  vw_status (*run)(void);
  void (*check)(vw_status st);
} fail_case;

/* Tries each place once alone and once with everything after it. Every failure must come back as a status of its kind
 * (VW_ERR_MEMORY, VW_ERR_IO) with a message of one line, or not matter; no file stays open. Returns the number of
 * places, at least 1. */
int64_t fail_each(const fail_case *c, fail_kind kind, int err);

#endif
