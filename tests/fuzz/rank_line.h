/* A line of log/ranks.jsonl from bytes of an input. */
#ifndef VW_TESTS_FUZZ_RANK_LINE_H
#define VW_TESTS_FUZZ_RANK_LINE_H

#include "core/hash.h"
#include "io/rank_file.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The checksum is right, as of a writer gone mad: few inputs would come past it. Returns the line's length. */
static inline size_t fuzz_rank_line(char line[VW_RANK_RECORD], const uint8_t *part, size_t n) {
  enum { SUM_AT = 8, SUM_DIGITS = 16, BODY_AT = SUM_AT + SUM_DIGITS + 2 };
  char sum[SUM_DIGITS + 1];
  const size_t room = VW_RANK_RECORD - BODY_AT - 1;
  memset(line, ' ', VW_RANK_RECORD);
  memcpy(line, "{\"sum\":\"", SUM_AT), memcpy(line + BODY_AT - 2, "\",", 2);
  memcpy(line + BODY_AT, part, n < room ? n : room);
  line[VW_RANK_RECORD - 1] = '\n';
  (void)snprintf(sum, sizeof sum, "%016llx",
                 (unsigned long long)vw_hash_bytes(line + BODY_AT, VW_RANK_RECORD - BODY_AT).lo);
  memcpy(line + SUM_AT, sum, SUM_DIGITS);
  return VW_RANK_RECORD;
}

#endif
