/* Alignment of what kernels read and write. */
#ifndef VW_CORE_ALIGN_H
#define VW_CORE_ALIGN_H

enum { VW_ALIGN = 64 }; /* a cache line, and the widest vector load */

#endif
