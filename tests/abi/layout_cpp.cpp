// SPDX-License-Identifier: MIT
// The table of layout.h against plugin.h, as C++20, with what C++ adds: every struct is plain data, and nothing in it
// is const.
#include <anyvisor/plugin.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <type_traits>

#include "layout.h"

#define ASSERT_STRUCT(name, size)                                                              \
  static_assert(sizeof(name) == (size), "size of " #name);                                     \
  static_assert(std::is_standard_layout_v<name> && std::is_trivial_v<name>, #name " is data"); \
  static_assert(alignof(name) <= alignof(void*), "alignment of " #name);
#define ASSERT_FIELD(name, field, offset, size)                                    \
  static_assert(offsetof(name, field) == (offset), "offset of " #name "." #field); \
  static_assert(sizeof(name::field) == (size), "size of " #name "." #field);
#define ASSERT_CONSTANT(name, value) static_assert((name) == (value), #name);
ANYVISOR_LAYOUT(ASSERT_STRUCT, ASSERT_FIELD)
ANYVISOR_CONSTANTS(ASSERT_CONSTANT)

// Every struct but an array's element tells its size first.
#define ASSERT_SIZED(name) \
  static_assert(std::is_same_v<decltype(name::struct_size), std::uint32_t> && offsetof(name, struct_size) == 0);
ASSERT_SIZED(anyvisor_error)
ASSERT_SIZED(anyvisor_context)
ASSERT_SIZED(anyvisor_process)
ASSERT_SIZED(anyvisor_child)
ASSERT_SIZED(anyvisor_host)
ASSERT_SIZED(anyvisor_backend_draft1)
ASSERT_SIZED(anyvisor_image_store_draft1)
ASSERT_SIZED(anyvisor_network_draft1)
ASSERT_SIZED(anyvisor_plugin)

// The entry has C linkage: declared again without it, this would not compile.
extern "C" const anyvisor_plugin* anyvisor_plugin_entry_v0(void);
static_assert(std::is_same_v<decltype(&anyvisor_plugin_entry_v0), const anyvisor_plugin* (*)()>);

int main() {
  int structs = 0, fields = 0;
#define COUNT_STRUCT(name, size) ++structs, std::printf(#name " size %zu\n", sizeof(name));
#define COUNT_FIELD(name, field, offset, size) \
  ++fields, std::printf(#name "." #field " offset %zu size %zu\n", offsetof(name, field), sizeof(name::field));
  ANYVISOR_LAYOUT(COUNT_STRUCT, COUNT_FIELD)
  std::printf("%d structs, %d fields\n", structs, fields);
}
