/* Memory that is allocated and free. Node has no way to give it back. */

#include "binding.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* releaseFreeMemory(): gives the kernel the free pages that the allocator keeps. glibc does so by itself only at the end
 * of its heap, and only while that has never held anything large (mallopt(3), M_TRIM_THRESHOLD); malloc_trim(3) takes
 * those in the middle as well. musl keeps none for long. */
napi_value release_free_memory(napi_env env, napi_callback_info info) {
  napi_value result;
  (void)info;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return napi_get_undefined(env, &result) == napi_ok ? result : NULL;
}
