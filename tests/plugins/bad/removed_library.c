/* SPDX-License-Identifier: MIT
 * The library that anyvisor-missing-library.so needs and the dynamic linker does not find. */
int from_a_missing_library(void);
int from_a_missing_library(void) {
  return 1;
}
