/* SPDX-License-Identifier: MIT
 * One bad plugin for each set of macros that CMakeLists.txt defines; without any, it is a good one. BAD_ID: the name of
 * its file. LOADED writes a mark when code of it runs: what must not even be loaded is found out. */
#include <anyvisor/plugin.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Creates the file that $ANYVISOR_TEST_LOADED names. */
static void mark(void) {
  const char* path = getenv("ANYVISOR_TEST_LOADED");
  if (!path) return;
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
}

static void forever(void) {
  for (;;) pause();
}

/* Not a store to NULL: gcc -O1 leaves it out. */
static void crash(void) {
  raise(SIGSEGV);
}

#ifndef IN_CONSTRUCTOR
#define IN_CONSTRUCTOR ((void)0)
#endif
#ifndef IN_ENTRY
#define IN_ENTRY ((void)0)
#endif
#ifndef IN_FIND
#define IN_FIND ((void)0)
#endif
#ifndef ENTRY
#define ENTRY anyvisor_plugin_entry_v0
#endif
#ifndef STRUCT_SIZE
#define STRUCT_SIZE sizeof(anyvisor_plugin)
#endif
#ifndef MAJOR
#define MAJOR ANYVISOR_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR ANYVISOR_ABI_MINOR
#endif
#ifndef ID
#define ID BAD_ID
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef SUMMARY
#define SUMMARY "a plugin for tests"
#endif
#ifndef INTERFACE
#define INTERFACE ANYVISOR_NETWORK_ID
#endif
#ifndef INTERFACES
#define INTERFACES interfaces
#endif
#ifndef FIND
#define FIND find
#endif
#ifndef TABLE
#define TABLE &network_table
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof(anyvisor_network_draft1)
#endif
#ifndef OPEN
#define OPEN open_network
#endif
#ifndef SETTINGS_SCHEMA
#define SETTINGS_SCHEMA NULL
#endif

__attribute__((constructor)) static void constructor(void) {
  mark();
  IN_CONSTRUCTOR;
}

static anyvisor_status open_network(const anyvisor_host* host, const anyvisor_context* context, const char* settings,
                                    anyvisor_network** network) {
  (void)host, (void)context, (void)settings;
  *network = malloc(1);
  return ANYVISOR_OK;
}
static void close_network(anyvisor_network* network) {
  free(network);
}
static anyvisor_status answer(anyvisor_network* network, const anyvisor_context* context, const char* request,
                              const char** reply) {
  (void)network, (void)context, (void)request;
  *reply = "{\"capabilities\":{}}";
  return ANYVISOR_OK;
}

static const anyvisor_network_draft1 network_table = {TABLE_SIZE, 0,      OPEN,   close_network,
                                                      answer,     answer, answer, answer};

static const void* find(const char* id) {
  IN_FIND;
  return strcmp(id, INTERFACE) == 0 ? TABLE : NULL;
}

static const char* const interfaces[] = {INTERFACE, NULL};

static const anyvisor_plugin plugin = {STRUCT_SIZE, MAJOR,      MINOR,           ID,  VERSION, SUMMARY,
                                       "MIT",       INTERFACES, SETTINGS_SCHEMA, FIND};

ANYVISOR_EXPORT const anyvisor_plugin* ENTRY(void);
const anyvisor_plugin* ENTRY(void) {
  IN_ENTRY;
  /* So that each case compiles without a warning of what it does not use. */
  (void)forever, (void)crash, (void)interfaces, (void)find, (void)network_table, (void)open_network;
#ifdef NO_PLUGIN
  (void)plugin;
  return NULL;
#else
  return &plugin;
#endif
}
