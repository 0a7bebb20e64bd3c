/* SPDX-License-Identifier: MIT
 * The table of layout.h against plugin.h, as C11: at compile time, and once more at run time with every line printed.
 */
#include <anyvisor/plugin.h>
#include <stdio.h>
#include <string.h>

#include "layout.h"

#define ASSERT_STRUCT(name, size) _Static_assert(sizeof(name) == (size), "size of " #name);
#define ASSERT_FIELD(name, field, offset, size)                                     \
  _Static_assert(offsetof(name, field) == (offset), "offset of " #name "." #field); \
  _Static_assert(sizeof(((name*)0)->field) == (size), "size of " #name "." #field);
#define ASSERT_CONSTANT(name, value) _Static_assert((name) == (value), #name);
ANYVISOR_LAYOUT(ASSERT_STRUCT, ASSERT_FIELD)
ANYVISOR_CONSTANTS(ASSERT_CONSTANT)

_Static_assert(sizeof(anyvisor_status) == 4, "size of anyvisor_status");
_Static_assert(ANYVISOR_ABI_MAJOR == 0 && ANYVISOR_ABI_MINOR == 1, "this table is that of ABI 0.1");

#define LINE_STRUCT(name, size) {#name, NULL, sizeof(name), (size), 0, 0},
#define LINE_FIELD(name, field, offset, size) \
  {#name, #field, sizeof(((name*)0)->field), (size), offsetof(name, field), (offset)},

static const struct line {
  const char *name, *field;
  size_t size, expected_size, offset, expected_offset;
} lines[] = {ANYVISOR_LAYOUT(LINE_STRUCT, LINE_FIELD)};

int main(void) {
  size_t count = sizeof lines / sizeof *lines;
  int failures = 0;
  for (size_t i = 0; i < count; ++i) {
    const struct line* line = &lines[i];
    int ok = line->size == line->expected_size && line->offset == line->expected_offset;
    if (line->field) {
      const struct line* before = &lines[i - 1];
      size_t end = before->field ? before->offset + before->size : 0;
      if (line->offset != end) ok = 0; /* a hole: a field that the table does not have */
      printf("%s.%s offset %zu size %zu%s\n", line->name, line->field, line->offset, line->size, ok ? "" : "  WRONG");
    } else {
      size_t end = 0;
      for (size_t j = i + 1; j < count && lines[j].field; ++j) end = lines[j].offset + lines[j].size;
      if (end != line->size) ok = 0;
      printf("%s size %zu%s\n", line->name, line->size, ok ? "" : "  WRONG");
    }
    failures += !ok;
  }
  if (strcmp(ANYVISOR_ENTRY_SYMBOL, "anyvisor_plugin_entry_v0") != 0) ++failures;
  printf("%zu lines, %d wrong\n", count, failures);
  return failures ? 1 : 0;
}
