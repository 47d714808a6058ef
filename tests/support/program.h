/* Values of a program by name, for tests. A test fails on any error. */
#ifndef VW_TESTS_SUPPORT_PROGRAM_H
#define VW_TESTS_SUPPORT_PROGRAM_H
#include "tests/support/test.h"

#include "graph/graph.h"

/* Fills the input `name` with vw_test_fill's numbers of `seed`. */
void vw_test_write(vw_program *p, const vw_graph *g, const char *name, uint64_t seed);

/* Reads all numbers of `name` into `to`, the caller's. */
void vw_test_read(vw_program *p, const vw_graph *g, const char *name, double *to);

#endif
