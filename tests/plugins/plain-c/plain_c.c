/* SPDX-License-Identifier: MIT
 * A network plugin in plain C11, written against plugin.h alone: NICs without a link. It answers everything that a
 * network has to. */
#include <anyvisor/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAXIMUM_HELD 16

struct anyvisor_network {
  const anyvisor_host* host;
  char held[MAXIMUM_HELD][64]; /* MACs of the endpoints that are in use */
  char reply[1024];
};

static anyvisor_status fail(const anyvisor_context* context, anyvisor_status status, const char* message,
                            const char* field) {
  anyvisor_error error;
  memset(&error, 0, sizeof error);
  error.struct_size = sizeof error;
  error.status = status;
  error.message = message;
  error.field = field;
  return context->fail(context, &error);
}

/* Copies the text of the first member `name` behind `from`. The host has checked the document, and what is looked for
 * here (ids, MACs) holds no escapes. */
static int text_member(const char* from, const char* name, char* out, size_t size) {
  char key[32];
  snprintf(key, sizeof key, "\"%s\"", name);
  const char* at = strstr(from, key);
  if (!at) return 0;
  at = strchr(at + strlen(key), ':');
  if (!at) return 0;
  at += 1 + strspn(at + 1, " \t\n");
  if (*at != '"') return 0;
  size_t length = strcspn(++at, "\"\\");
  if (at[length] != '"' || length >= size) return 0;
  memcpy(out, at, length);
  out[length] = 0;
  return 1;
}

static int position_of(const anyvisor_network* network, const char* mac) {
  for (int i = 0; i < MAXIMUM_HELD; ++i)
    if (strcmp(network->held[i], mac) == 0) return i;
  return -1;
}

static anyvisor_status open_network(const anyvisor_host* host, const anyvisor_context* context, const char* settings,
                                    anyvisor_network** network) {
  (void)settings;
  *network = calloc(1, sizeof **network);
  if (!*network) return fail(context, ANYVISOR_EXHAUSTED, "plain-c: no memory left", NULL);
  (*network)->host = host;
  if (host->log) host->log(host, ANYVISOR_LOG_INFO, "plain-c is open");
  return ANYVISOR_OK;
}

static void close_network(anyvisor_network* network) {
  free(network);
}

static anyvisor_status capabilities(anyvisor_network* network, const anyvisor_context* context, const char* request,
                                    const char** reply) {
  (void)network, (void)context, (void)request;
  *reply =
      "{\"capabilities\":{\"hotplug_nic\":{\"answer\":\"no\",\"reason\":\"a NIC without a link has no use for it\"}}}";
  return ANYVISOR_OK;
}

static anyvisor_status hold(anyvisor_network* network, const anyvisor_context* context, const char* request,
                            const char** reply) {
  char id[64], mac[64];
  const char* endpoint = strstr(request, "\"endpoint\"");
  if (context->is_cancelled(context)) return fail(context, ANYVISOR_CANCELLED, "cancelled", NULL);
  if (!endpoint || !text_member(endpoint, "id", id, sizeof id))
    return fail(context, ANYVISOR_INVALID_ARGUMENT, "plain-c: the endpoint has no id", "/endpoint/id");
  if (!text_member(endpoint, "mac", mac, sizeof mac))
    return fail(context, ANYVISOR_INVALID_ARGUMENT, "plain-c: the endpoint has no MAC", "/endpoint/mac");
  int position = position_of(network, mac);
  if (position < 0) position = position_of(network, "");
  if (position < 0) return fail(context, ANYVISOR_EXHAUSTED, "plain-c: all 16 endpoints are in use", NULL);
  strcpy(network->held[position], mac);
  snprintf(network->reply, sizeof network->reply,
           "{\"id\":\"%s\",\"plugin\":\"plain-c\",\"mac\":\"%s\",\"mode\":\"none\",\"publish\":[],\"addresses\":[]}",
           id, mac);
  *reply = network->reply;
  return ANYVISOR_OK;
}

static anyvisor_status release(anyvisor_network* network, const anyvisor_context* context, const char* request,
                               const char** reply) {
  char mac[64];
  (void)context, (void)reply;
  const char* endpoint = strstr(request, "\"endpoint\"");
  if (endpoint && text_member(endpoint, "mac", mac, sizeof mac)) {
    int position = position_of(network, mac);
    if (position >= 0) network->held[position][0] = 0;
  }
  return ANYVISOR_OK; /* a reply that is left NULL means {} */
}

static const anyvisor_network_draft1 network_table = {.struct_size = sizeof(anyvisor_network_draft1),
                                                      .open = open_network,
                                                      .close = close_network,
                                                      .capabilities = capabilities,
                                                      .acquire = hold,
                                                      .adopt = hold,
                                                      .release = release};

static const void* find(const char* id) {
  return strcmp(id, ANYVISOR_NETWORK_ID) == 0 ? &network_table : NULL;
}

static const char* const interfaces[] = {ANYVISOR_NETWORK_ID, NULL};

static const anyvisor_plugin plugin = {.struct_size = sizeof(anyvisor_plugin),
                                       .abi_major = ANYVISOR_ABI_MAJOR,
                                       .abi_minor = ANYVISOR_ABI_MINOR,
                                       .id = "plain-c",
                                       .version = "0.1.0",
                                       .summary = "NICs without a link, in plain C",
                                       .license = "MIT",
                                       .interfaces = interfaces,
                                       .find = find};

const anyvisor_plugin* anyvisor_plugin_entry_v0(void) {
  return &plugin;
}
