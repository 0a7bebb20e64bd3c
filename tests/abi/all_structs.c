/* SPDX-License-Identifier: MIT
 * One function that names every struct of the ABI, so that its debug information, and what abidw makes of it, holds all
 * of them. */
#include <anyvisor/plugin.h>

ANYVISOR_EXPORT int anyvisor_abi_of_everything(const anyvisor_plugin* plugin, const anyvisor_host* host,
                                               const anyvisor_context* context, const anyvisor_error* error,
                                               const anyvisor_process* process, const anyvisor_child* child,
                                               const anyvisor_backend_draft1* backend,
                                               const anyvisor_image_store_draft1* image_store,
                                               const anyvisor_network_draft1* network) {
  return plugin && host && context && error && process && child && backend && image_store && network;
}
