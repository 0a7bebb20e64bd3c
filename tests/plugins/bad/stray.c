/* SPDX-License-Identifier: MIT
 * A shared object that is no plugin, under a plugin's name: none of its code may run. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void constructor(void) {
  const char* path = getenv("ANYVISOR_TEST_LOADED");
  int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (fd >= 0) close(fd);
}

__attribute__((visibility("default"))) int something_else(void) {
  return 42;
}

#ifdef MISSING_LIBRARY
extern int from_a_missing_library(void);
const void* anyvisor_plugin_entry_v0(void);
__attribute__((visibility("default"))) const void* anyvisor_plugin_entry_v0(void) {
  return from_a_missing_library() ? &something_else : (const void*)0;
}
#endif
