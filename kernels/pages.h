/* Memory of this process for large operands: on huge pages where the system has them (strided rows of a matrix would
 * otherwise miss the page table's cache at every row), but for what is left of a last one: what is taken is what was
 * asked for. Release with free. NULL: out of memory. */
#ifndef VW_KERNELS_PAGES_H
#define VW_KERNELS_PAGES_H

#include "core/align.h"
#include <stdlib.h>
#include <sys/mman.h>

static inline void *vw_host_pages(size_t bytes) {
  const size_t huge = (size_t)2 << 20, small = 4096, align = bytes >= huge ? huge : VW_ALIGN;
  void *p = NULL;
  if (posix_memalign(&p, align, bytes ? bytes : align) != 0) return NULL;
#ifdef MADV_HUGEPAGE
  if (align == huge) { /* wishes: refused, all works as before */
    const size_t whole = bytes / huge * huge, rest = (bytes - whole) / small * small;
    (void)madvise(p, whole, MADV_HUGEPAGE);
    if (rest) (void)madvise((char *)p + whole, rest, MADV_NOHUGEPAGE);
  }
#endif
  return p;
}
#endif
