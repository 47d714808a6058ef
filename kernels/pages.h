/* Memory of this process for large operands: on huge pages where the system has them (strided rows of a matrix would
 * otherwise miss the page table's cache at every row). Release with free. NULL: out of memory. */
#ifndef VW_KERNELS_PAGES_H
#define VW_KERNELS_PAGES_H

#include "core/align.h"
#include <stdlib.h>
#include <sys/mman.h>

static inline void *vw_host_pages(size_t bytes) {
  const size_t huge = (size_t)2 << 20, align = bytes >= huge ? huge : VW_ALIGN;
  const size_t padded = bytes ? (bytes + align - 1) / align * align : align;
  void *p = padded >= bytes ? aligned_alloc(align, padded) : NULL;
#ifdef MADV_HUGEPAGE
  if (p && align == huge) (void)madvise(p, padded, MADV_HUGEPAGE); /* a wish: refused, all works as before */
#endif
  return p;
}
#endif
