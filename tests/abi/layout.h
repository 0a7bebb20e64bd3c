/* SPDX-License-Identifier: MIT
 *
 * What ABI 0.1 looks like in memory on x86-64: the one table of expectations, compiled as C11 and as C++20. A struct's
 * size may only grow by fields appended at its end; any other line that has to change here breaks plugins that are
 * already built. The fields of each struct stand in order and leave no hole, so that a field that is missing here is
 * found too.
 */
#ifndef ANYVISOR_TESTS_ABI_LAYOUT_H
#define ANYVISOR_TESTS_ABI_LAYOUT_H

/* clang-format off */
/* STRUCT(name, size)  FIELD(struct, field, offset, size) */
#define ANYVISOR_LAYOUT(STRUCT, FIELD) \
  STRUCT(anyvisor_error, 40)                              \
  FIELD(anyvisor_error, struct_size, 0, 4)                \
  FIELD(anyvisor_error, status, 4, 4)                     \
  FIELD(anyvisor_error, message, 8, 8)                    \
  FIELD(anyvisor_error, field, 16, 8)                     \
  FIELD(anyvisor_error, hint, 24, 8)                      \
  FIELD(anyvisor_error, retry, 32, 4)                     \
  FIELD(anyvisor_error, reserved, 36, 4)                  \
  STRUCT(anyvisor_context, 48)                            \
  FIELD(anyvisor_context, struct_size, 0, 4)              \
  FIELD(anyvisor_context, cancel_fd, 4, 4)                \
  FIELD(anyvisor_context, deadline_ns, 8, 8)              \
  FIELD(anyvisor_context, host_data, 16, 8)               \
  FIELD(anyvisor_context, is_cancelled, 24, 8)            \
  FIELD(anyvisor_context, progress, 32, 8)                \
  FIELD(anyvisor_context, fail, 40, 8)                    \
  STRUCT(anyvisor_fd, 8)                                  \
  FIELD(anyvisor_fd, fd, 0, 4)                            \
  FIELD(anyvisor_fd, as, 4, 4)                            \
  STRUCT(anyvisor_process, 48)                            \
  FIELD(anyvisor_process, struct_size, 0, 4)              \
  FIELD(anyvisor_process, flags, 4, 4)                    \
  FIELD(anyvisor_process, argv, 8, 8)                     \
  FIELD(anyvisor_process, env, 16, 8)                     \
  FIELD(anyvisor_process, fds, 24, 8)                     \
  FIELD(anyvisor_process, fd_count, 32, 8)                \
  FIELD(anyvisor_process, input, 40, 8)                   \
  STRUCT(anyvisor_child, 16)                              \
  FIELD(anyvisor_child, struct_size, 0, 4)                \
  FIELD(anyvisor_child, pid, 4, 4)                        \
  FIELD(anyvisor_child, pidfd, 8, 4)                      \
  FIELD(anyvisor_child, reserved, 12, 4)                  \
  STRUCT(anyvisor_host, 72)                               \
  FIELD(anyvisor_host, struct_size, 0, 4)                 \
  FIELD(anyvisor_host, abi_minor, 4, 4)                   \
  FIELD(anyvisor_host, host_data, 8, 8)                   \
  FIELD(anyvisor_host, log, 16, 8)                        \
  FIELD(anyvisor_host, intern, 24, 8)                     \
  FIELD(anyvisor_host, temp_folder, 32, 8)                \
  FIELD(anyvisor_host, spawn, 40, 8)                      \
  FIELD(anyvisor_host, run, 48, 8)                        \
  FIELD(anyvisor_host, probe_accelerator, 56, 8)          \
  FIELD(anyvisor_host, service, 64, 8)                    \
  STRUCT(anyvisor_backend_draft1, 216)                    \
  FIELD(anyvisor_backend_draft1, struct_size, 0, 4)       \
  FIELD(anyvisor_backend_draft1, reserved, 4, 4)          \
  FIELD(anyvisor_backend_draft1, open, 8, 8)              \
  FIELD(anyvisor_backend_draft1, close, 16, 8)            \
  FIELD(anyvisor_backend_draft1, capabilities, 24, 8)     \
  FIELD(anyvisor_backend_draft1, states, 32, 8)           \
  FIELD(anyvisor_backend_draft1, disk_action, 40, 8)      \
  FIELD(anyvisor_backend_draft1, attach, 48, 8)           \
  FIELD(anyvisor_backend_draft1, detach, 56, 8)           \
  FIELD(anyvisor_backend_draft1, create, 64, 8)           \
  FIELD(anyvisor_backend_draft1, adopt, 72, 8)            \
  FIELD(anyvisor_backend_draft1, boot, 80, 8)             \
  FIELD(anyvisor_backend_draft1, pause, 88, 8)            \
  FIELD(anyvisor_backend_draft1, resume, 96, 8)           \
  FIELD(anyvisor_backend_draft1, shutdown, 104, 8)        \
  FIELD(anyvisor_backend_draft1, terminate, 112, 8)       \
  FIELD(anyvisor_backend_draft1, state, 120, 8)           \
  FIELD(anyvisor_backend_draft1, save, 128, 8)            \
  FIELD(anyvisor_backend_draft1, restore, 136, 8)         \
  FIELD(anyvisor_backend_draft1, fork, 144, 8)            \
  FIELD(anyvisor_backend_draft1, snapshot_disk, 152, 8)   \
  FIELD(anyvisor_backend_draft1, attach_device, 160, 8)   \
  FIELD(anyvisor_backend_draft1, detach_device, 168, 8)   \
  FIELD(anyvisor_backend_draft1, resize, 176, 8)          \
  FIELD(anyvisor_backend_draft1, guest_endpoints, 184, 8) \
  FIELD(anyvisor_backend_draft1, event_fd, 192, 8)        \
  FIELD(anyvisor_backend_draft1, on_event, 200, 8)        \
  FIELD(anyvisor_backend_draft1, destroy, 208, 8)         \
  STRUCT(anyvisor_image_store_draft1, 56)                 \
  FIELD(anyvisor_image_store_draft1, struct_size, 0, 4)   \
  FIELD(anyvisor_image_store_draft1, reserved, 4, 4)      \
  FIELD(anyvisor_image_store_draft1, open, 8, 8)          \
  FIELD(anyvisor_image_store_draft1, close, 16, 8)        \
  FIELD(anyvisor_image_store_draft1, capabilities, 24, 8) \
  FIELD(anyvisor_image_store_draft1, resolve, 32, 8)      \
  FIELD(anyvisor_image_store_draft1, list, 40, 8)         \
  FIELD(anyvisor_image_store_draft1, fetch, 48, 8)        \
  STRUCT(anyvisor_network_draft1, 56)                     \
  FIELD(anyvisor_network_draft1, struct_size, 0, 4)       \
  FIELD(anyvisor_network_draft1, reserved, 4, 4)          \
  FIELD(anyvisor_network_draft1, open, 8, 8)              \
  FIELD(anyvisor_network_draft1, close, 16, 8)            \
  FIELD(anyvisor_network_draft1, capabilities, 24, 8)     \
  FIELD(anyvisor_network_draft1, acquire, 32, 8)          \
  FIELD(anyvisor_network_draft1, adopt, 40, 8)            \
  FIELD(anyvisor_network_draft1, release, 48, 8)          \
  STRUCT(anyvisor_plugin, 64)                             \
  FIELD(anyvisor_plugin, struct_size, 0, 4)               \
  FIELD(anyvisor_plugin, abi_major, 4, 2)                 \
  FIELD(anyvisor_plugin, abi_minor, 6, 2)                 \
  FIELD(anyvisor_plugin, id, 8, 8)                        \
  FIELD(anyvisor_plugin, version, 16, 8)                  \
  FIELD(anyvisor_plugin, summary, 24, 8)                  \
  FIELD(anyvisor_plugin, license, 32, 8)                  \
  FIELD(anyvisor_plugin, interfaces, 40, 8)               \
  FIELD(anyvisor_plugin, settings_schema, 48, 8)          \
  FIELD(anyvisor_plugin, find, 56, 8)

/* CONSTANT(name, value) */
#define ANYVISOR_CONSTANTS(CONSTANT) \
  CONSTANT(ANYVISOR_OK, 0)               \
  CONSTANT(ANYVISOR_DECLINED, 1)         \
  CONSTANT(ANYVISOR_NOT_FOUND, 2)        \
  CONSTANT(ANYVISOR_ALREADY_EXISTS, 3)   \
  CONSTANT(ANYVISOR_AMBIGUOUS, 4)        \
  CONSTANT(ANYVISOR_INVALID_ARGUMENT, 5) \
  CONSTANT(ANYVISOR_INVALID_STATE, 6)    \
  CONSTANT(ANYVISOR_UNSUPPORTED, 7)      \
  CONSTANT(ANYVISOR_UNAVAILABLE, 8)      \
  CONSTANT(ANYVISOR_BUSY, 9)             \
  CONSTANT(ANYVISOR_EXHAUSTED, 10)       \
  CONSTANT(ANYVISOR_NOT_READY, 11)       \
  CONSTANT(ANYVISOR_TIMEOUT, 12)         \
  CONSTANT(ANYVISOR_CANCELLED, 13)       \
  CONSTANT(ANYVISOR_CORRUPTED, 14)       \
  CONSTANT(ANYVISOR_BACKEND_FAILED, 15)  \
  CONSTANT(ANYVISOR_INTERNAL, 16)        \
  CONSTANT(ANYVISOR_LOG_DEBUG, 0)        \
  CONSTANT(ANYVISOR_LOG_INFO, 1)         \
  CONSTANT(ANYVISOR_LOG_WARNING, 2)      \
  CONSTANT(ANYVISOR_LOG_ERROR, 3)
/* clang-format on */

#endif
