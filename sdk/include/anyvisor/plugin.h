/* SPDX-License-Identifier: MIT
 *
 * The anyvisor plugin ABI: the whole contract between a plugin and the host that loads it.
 *
 * This is C11 and valid C++20. A plugin may be written in any language that can export one C function and
 * fill in C structs. C++ authors will rather use plugin.hpp, a header-only layer over this file.
 *
 * Conventions, for every declaration below:
 *
 *  1. Sizes. Every struct that crosses (but anyvisor_fd, which stands in arrays and never grows) starts with
 *     `struct_size`, set by whoever fills the struct in to the sizeof that it was compiled with. Fields are only
 *     ever appended. The reader copies min(struct_size, its own sizeof) bytes over zeroes, so a missing field
 *     reads as 0 or NULL: "not there".
 *  2. Text is UTF-8 and ends with NUL. Documents are JSON objects in such text; their JSON Schemas stand in
 *     sdk/schemas/ and the host checks them in both directions. Sizes in documents are bytes, times are
 *     milliseconds unless the name says otherwise.
 *  3. Ownership. Arguments belong to the caller and are valid until the call returns: copy what you keep.
 *     `*reply` belongs to the plugin and must stay valid until the next call on the same handle, or until that
 *     handle is closed; the host copies it at once. A reply left NULL means {}.
 *  4. Errors. A function returns ANYVISOR_OK, or calls context->fail() once (which copies) and returns what
 *     fail() returned. ANYVISOR_DECLINED means "not mine, ask another plugin" and is no failure.
 *     Nothing may be thrown across this boundary, and a plugin never exits its process.
 *  5. Threads. Each function carries one tag. [init]: called once, before any other. [any-thread]: may be
 *     called from any thread at any time. [instance-thread]: calls on one handle, and on handles opened from
 *     it, are never concurrent, though not always from the same thread.
 *  6. Time. A call that gets a context has to watch its deadline and its cancel_fd. A call that outlives its
 *     deadline is reported, and the plugin-host process that runs it is ended.
 *  7. A function pointer may be NULL where its comment says "optional": the host then treats the operation as
 *     unsupported, with the reason that the capability report gives.
 *
 * Where the host copies more than it was given, or a plugin returns a pointer into a context, it is a bug:
 * `anyvisor plugins check FILE` looks for what can be looked for.
 */
#ifndef ANYVISOR_PLUGIN_H
#define ANYVISOR_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this file. The major is part of the entry symbol's name: a plugin of another major is never
 * called. The minor grows with every appended field; a host takes any plugin whose minor is not above its own,
 * and one from above when it asks for no interface that the host does not know. Major 0: still a draft. */
#define ANYVISOR_ABI_MAJOR 0
#define ANYVISOR_ABI_MINOR 1

/* The one symbol that a plugin exports. */
#define ANYVISOR_ENTRY_SYMBOL "anyvisor_plugin_entry_v0"

/* Interface ids. An interface is asked for by this exact string; an unknown one answers NULL. */
#define ANYVISOR_BACKEND_ID "anyvisor.backend/draft-1"
#define ANYVISOR_IMAGE_STORE_ID "anyvisor.image-store/draft-1"
#define ANYVISOR_NETWORK_ID "anyvisor.network/draft-1"

#if defined(__GNUC__)
#define ANYVISOR_EXPORT __attribute__((visibility("default")))
#else
#define ANYVISOR_EXPORT
#endif

/* What a call came to. The names are those of the error kinds that users see (Error::kind in the C++ API). */
typedef int32_t anyvisor_status;
enum {
  ANYVISOR_OK = 0,
  ANYVISOR_DECLINED = 1, /* not this plugin's kind of thing: no failure */
  ANYVISOR_NOT_FOUND = 2,
  ANYVISOR_ALREADY_EXISTS = 3,
  ANYVISOR_AMBIGUOUS = 4,
  ANYVISOR_INVALID_ARGUMENT = 5,
  ANYVISOR_INVALID_STATE = 6,
  ANYVISOR_UNSUPPORTED = 7,
  ANYVISOR_UNAVAILABLE = 8, /* something outside is missing or not running */
  ANYVISOR_BUSY = 9,
  ANYVISOR_EXHAUSTED = 10, /* no space, no memory, no port, a limit */
  ANYVISOR_NOT_READY = 11,
  ANYVISOR_TIMEOUT = 12,
  ANYVISOR_CANCELLED = 13,
  ANYVISOR_CORRUPTED = 14,
  ANYVISOR_BACKEND_FAILED = 15,
  ANYVISOR_INTERNAL = 16
};

enum { ANYVISOR_LOG_DEBUG = 0, ANYVISOR_LOG_INFO = 1, ANYVISOR_LOG_WARNING = 2, ANYVISOR_LOG_ERROR = 3 };

/* One failure, filled in by the plugin for context->fail(), which copies all of it. */
typedef struct anyvisor_error {
  uint32_t struct_size;
  anyvisor_status status; /* any code but ANYVISOR_OK */
  const char* message;    /* what failed, on what, and why: one sentence */
  const char* field;      /* the offending field of the request as a JSON pointer, or NULL */
  const char* hint;       /* what to do next, or NULL */
  int32_t retry;          /* 1: the same call may succeed later; 0: it will not */
  int32_t reserved;
} anyvisor_error;

/* Goes with every call that can take time or fail. Valid until that call returns. */
typedef struct anyvisor_context {
  uint32_t struct_size;
  int32_t cancel_fd;    /* readable (POLLIN) once the call is cancelled; -1: cannot be. Do not read or close it */
  uint64_t deadline_ns; /* on CLOCK_MONOTONIC, in nanoseconds; 0: none */
  void* host_data;      /* the host's own */
  /* [any-thread] 1 once the call is cancelled or past its deadline, else 0. */
  int32_t (*is_cancelled)(const struct anyvisor_context* context);
  /* [any-thread] `done` of `total` (bytes where the phase moves bytes; total 0: not known). `phase` is a short
   * lower-case noun phrase that a person can read. `done` never goes back within a phase. */
  void (*progress)(const struct anyvisor_context* context, const char* phase, uint64_t done, uint64_t total);
  /* [instance-thread] Records the failure and returns error->status, so that `return context->fail(...)` works. */
  anyvisor_status (*fail)(const struct anyvisor_context* context, const anyvisor_error* error);
} anyvisor_context;

/* One descriptor for a child: the caller's `fd` arrives there as number `as` (3 or above). */
typedef struct anyvisor_fd {
  int32_t fd;
  int32_t as;
} anyvisor_fd;

/* A process that the plugin wants. The host starts it: no shell, no inherited descriptor but those listed, its
 * own session, a clean environment (PATH, HOME, LANG, TMPDIR, XDG_CACHE_HOME, proxies and ANYVISOR_* of the host, and
 * `env`). */
typedef struct anyvisor_process {
  uint32_t struct_size;
  uint32_t flags;          /* 0 */
  const char* const* argv; /* NULL-ended; argv[0] is an absolute path or a name to look up on PATH */
  const char* const* env;  /* NULL-ended NAME=value strings, or NULL */
  const anyvisor_fd* fds;  /* the caller keeps its own descriptors and closes them */
  size_t fd_count;
  const char* input; /* run() only: text for its standard input, or NULL */
} anyvisor_process;

/* A started process. The host owns `pidfd` and reaps the child: never wait() for it. */
typedef struct anyvisor_child {
  uint32_t struct_size;
  int32_t pid;
  int32_t pidfd;
  int32_t reserved;
} anyvisor_child;

/* Services of the host, handed to open(). Valid until close() returns. */
typedef struct anyvisor_host {
  uint32_t struct_size;
  uint32_t abi_minor; /* the host's ANYVISOR_ABI_MINOR */
  void* host_data;    /* the host's own */
  /* [any-thread] One line to the instance's (or the caller's) log. */
  void (*log)(const struct anyvisor_host* host, int32_t level, const char* message);
  /* [any-thread] Copies `size` bytes of text and a NUL; the copy lives as long as the process. */
  const char* (*intern)(const struct anyvisor_host* host, const char* text, size_t size);
  /* [any-thread] A private folder (mode 0700) that the host removes at its end. */
  const char* (*temp_folder)(const struct anyvisor_host* host);
  /* [instance-thread] Starts the machine's VMM: stdin is /dev/null, stdout and stderr go to the instance's
   * logs/vmm.log, opened for append. The child writes the process record before it execs, so that no VMM lives
   * unlisted. One VMM a machine. Its end is noticed by the host, which records the exit status. */
  anyvisor_status (*spawn)(const struct anyvisor_host* host, const anyvisor_context* context,
                           const anyvisor_process* process, anyvisor_child* child);
  /* [instance-thread] Runs a short-lived helper to its end, within the context's deadline, and captures what
   * it prints (at most 16 MiB each): reply {"status":0,"output":"...","errors":"..."}. `status` is the exit
   * code, or 128 + the signal. `*reply` is valid until the next call of run() or probe_accelerator(). */
  anyvisor_status (*run)(const struct anyvisor_host* host, const anyvisor_context* context,
                         const anyvisor_process* process, const char** reply);
  /* [instance-thread] Is this accelerator fit for use? Request, reply: accelerator-probe.schema.json. The host runs the
   * candidate's command and the baseline's, times them against each other, and caches the answer by `key`,
   * kernel and CPU. */
  anyvisor_status (*probe_accelerator)(const struct anyvisor_host* host, const anyvisor_context* context,
                                       const char* request, const char** reply);
  /* [any-thread] A further service by string id, or NULL when this host has none of that name. */
  const void* (*service)(const struct anyvisor_host* host, const char* id);
} anyvisor_host;

/* ---- backend: runs machines --------------------------------------------------------------------------- */

typedef struct anyvisor_backend anyvisor_backend; /* the plugin's own: one connection to a hypervisor */
typedef struct anyvisor_machine anyvisor_machine; /* the plugin's own: one instance */

/* Every operation on a machine has this shape: a JSON request in (never NULL, "{}" at least), a JSON reply out. */
typedef anyvisor_status (*anyvisor_machine_call)(anyvisor_machine* machine, const anyvisor_context* context,
                                                 const char* request, const char** reply);
/* The same for operations on the hypervisor as a whole. */
typedef anyvisor_status (*anyvisor_backend_call)(anyvisor_backend* backend, const anyvisor_context* context,
                                                 const char* request, const char** reply);

/* anyvisor.backend/draft-1. Machine states and hops are those of ARCHITECTURE.md; every hop's reply carries the
 * state that the machine is in now: {"state":"running"}. The host checks a transition before it calls. */
typedef struct anyvisor_backend_draft1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* [init] `settings`: the plugin's own settings, checked against its settings schema. */
  anyvisor_status (*open)(const anyvisor_host* host, const anyvisor_context* context, const char* settings,
                          anyvisor_backend** backend);
  /* [instance-thread] After every machine of it is detached. Running VMMs stay running. */
  void (*close)(anyvisor_backend* backend);
  /* [instance-thread] What works here, with reasons. Request {} or {"machine":{...}} for one machine; reply:
   * capability-report.schema.json. Never starts a machine. */
  anyvisor_backend_call capabilities;
  /* [instance-thread] Optional; remote backends: the states of many machines in one round trip.
   * Request {"machines":["id",...]}, reply {"machines":{"id":{"state":...,"reason":...}}}. */
  anyvisor_backend_call states;
  /* [instance-thread] Optional; backends whose disks live elsewhere ("disks":"remote" in the report).
   * Request {"action":"import|clone|resize|remove|list", ...}: disk-action.schema.json. */
  anyvisor_backend_call disk_action;

  /* [instance-thread] Makes a handle for one machine (machine.schema.json). Touches nothing outside. */
  anyvisor_status (*attach)(anyvisor_backend* backend, const anyvisor_context* context, const char* machine_document,
                            anyvisor_machine** machine);
  /* [instance-thread] Frees the handle; a running VMM stays running. */
  void (*detach)(anyvisor_machine* machine);
  /* Stopped>Created: starts the VMM, guest not booted. Request {"endpoints":[...]}; reply also has "hardware",
   * the guest-visible hardware in normalised form, which comes back in the machine document next time. */
  anyvisor_machine_call create;
  /* A VMM that runs already (request: {"process":{"pid":..}}) is taken over: connect to it, ask its state. */
  anyvisor_machine_call adopt;
  /* Created>Running, Shutdown>Running: lets the guest run from its boot. */
  anyvisor_machine_call boot;
  anyvisor_machine_call pause;  /* Running>Paused; optional */
  anyvisor_machine_call resume; /* Paused>Running; optional */
  /* Asks the guest to power off ({"method":"acpi"|"agent"}); returns once asked. What comes of it is observed. */
  anyvisor_machine_call shutdown;
  /* any>Stopped: ends the VMM. The host kills the process if it does not end within the deadline. */
  anyvisor_machine_call terminate;
  /* Asks the VMM now. Reply {"state":...,"reason":...}. */
  anyvisor_machine_call state;
  /* Paused>Standby: writes the guest's RAM and device state into {"folder":"/...","label":"...","durable":true}, an
   * existing folder. `label` (one line) goes with the RAM: restore takes no other. durable false: nothing is flushed,
   * and RAM may stay in this process. The VMM is still there afterwards: it may be resumed, or terminated, which makes
   * it Standby. Reply: save-reply.schema.json. Optional: NULL or ANYVISOR_UNSUPPORTED. */
  anyvisor_machine_call save;
  /* Standby>Paused: starts the VMM on what save has written ({"folder","label","durable"} as there, "endpoints" as for
   * create). Hardware other than the machine document's "hardware" is refused, before anything is started. Reply as
   * create. Optional. */
  anyvisor_machine_call restore;
  /* A new machine from a frozen memory: request {"template":...,"machine":{...}}. Optional. */
  anyvisor_machine_call fork;
  /* Live disk snapshot: {"disk":"root","overlay":{"path","format"},"freeze":true} makes the guest write to the overlay
   * from now on: an empty file whose header names the present top. What it wrote before is all in the file below once
   * this returns. `freeze`: with the guest's file systems frozen meanwhile, where its agent answers soon; they are
   * thawed whatever happens, also when the process dies (then with the next adopt), and also when the call is
   * cancelled. Reply {"state","switched":bool,"frozen":bool,"frozen_reason":"why not","held_us":N}. Asked for the
   * overlay that the guest writes to already, whoever brought that about, it changes nothing: "switched" is false. On
   * failure (but a time-out) the guest writes to what it wrote to before. Any state but Stopped and Standby. Optional.
   */
  anyvisor_machine_call snapshot_disk;
  /* Hot-plug: {"device":{"kind":"disk|nic|volume|mount|vfio|mdev|vsock",...}}: device.schema.json. Optional. */
  anyvisor_machine_call attach_device;
  anyvisor_machine_call detach_device; /* {"id":...}; optional */
  /* {"cpus":N} and/or {"memory":bytes} and/or {"disk":{"id":..,"size":..}} and/or {"limits":{..}}. Optional. */
  anyvisor_machine_call resize;
  /* Ways into the guest: {"console":{"socket":...},"agent":{"socket":...},"vsock":{"cid":..,"socket":..},
   * "addresses":[..]}. vsock's socket, of a VMM that serves it: "CONNECT port" and a newline lead to the guest's port.
   */
  anyvisor_machine_call guest_endpoints;
  /* [instance-thread] Optional. A descriptor that is readable when on_event() has something to say; -1: none now.
   * The plugin owns it. Asked again after every call on the machine. */
  int32_t (*event_fd)(anyvisor_machine* machine);
  /* Reads what is there without blocking. Reply {} or {"state":...,"reason":...} as observed. Called once more when the
   * VMM's process has ended unasked: "stopped" with a reason then says why, where the plugin has heard it (the guest
   * has powered itself off, and that is the VMM's end). */
  anyvisor_machine_call on_event;
  /* Removes what the backend keeps of a stopped machine elsewhere. Optional. */
  anyvisor_machine_call destroy;
} anyvisor_backend_draft1;

/* ---- image store: brings images ------------------------------------------------------------------------ */

typedef struct anyvisor_image_store anyvisor_image_store;
typedef anyvisor_status (*anyvisor_image_store_call)(anyvisor_image_store* store, const anyvisor_context* context,
                                                     const char* request, const char** reply);

/* anyvisor.image-store/draft-1. */
typedef struct anyvisor_image_store_draft1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* [init] */
  anyvisor_status (*open)(const anyvisor_host* host, const anyvisor_context* context, const char* settings,
                          anyvisor_image_store** store);
  void (*close)(anyvisor_image_store* store); /* [instance-thread] */
  /* [instance-thread] What works here, with reasons: capability-report.schema.json. */
  anyvisor_image_store_call capabilities;
  /* [instance-thread] Is {"reference":"..."} of this store? Reply: what is known of it without fetching
   * ({"name","version","summary","key","building"}; `key` changes when the content would; `building`: another process
   * is making it). ANYVISOR_DECLINED: not its kind. */
  anyvisor_image_store_call resolve;
  /* [instance-thread] Optional. What could be fetched: {"images":[{...}]}. */
  anyvisor_image_store_call list;
  /* [instance-thread] Brings the image into {"folder":...}, an empty folder of its own. Request:
   * image-request.schema.json; reply: image-manifest.schema.json, naming files in that folder by bare name.
   * Whatever it leaves there besides is removed by the host. */
  anyvisor_image_store_call fetch;
} anyvisor_image_store_draft1;

/* ---- network: attaches machines ------------------------------------------------------------------------- */

typedef struct anyvisor_network anyvisor_network;
typedef anyvisor_status (*anyvisor_network_call)(anyvisor_network* network, const anyvisor_context* context,
                                                 const char* request, const char** reply);

/* anyvisor.network/draft-1. */
typedef struct anyvisor_network_draft1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* [init] */
  anyvisor_status (*open)(const anyvisor_host* host, const anyvisor_context* context, const char* settings,
                          anyvisor_network** network);
  void (*close)(anyvisor_network* network); /* [instance-thread] */
  /* [instance-thread] capability-report.schema.json. */
  anyvisor_network_call capabilities;
  /* [instance-thread] Makes one attachment ready: {"instance":{"id","name"},"endpoint":{...as asked...}}. Reply:
   * endpoint.schema.json, complete: what the backend needs. What it holds (ports, taps) is held until release() or
   * close(). `fd` numbers in the reply are valid in this process. */
  anyvisor_network_call acquire;
  /* [instance-thread] A running VMM was taken over: hold {"endpoint":{...}} as acquire() once answered. */
  anyvisor_network_call adopt;
  /* [instance-thread] {"endpoint":{...}} is used no more. Releasing what is not held is no error. */
  anyvisor_network_call release;
} anyvisor_network_draft1;

/* ---- the plugin itself ------------------------------------------------------------------------------------ */

/* Static data of the plugin; readable right after dlopen, before anything of it has run. */
typedef struct anyvisor_plugin {
  uint32_t struct_size;
  uint16_t abi_major;            /* ANYVISOR_ABI_MAJOR */
  uint16_t abi_minor;            /* ANYVISOR_ABI_MINOR */
  const char* id;                /* [a-z][a-z0-9-]{0,31}; the file is anyvisor-<id>.so */
  const char* version;           /* of the plugin */
  const char* summary;           /* one line */
  const char* license;           /* SPDX expression */
  const char* const* interfaces; /* NULL-ended ids of what find() answers */
  const char* settings_schema;   /* JSON Schema draft-04 of its settings, or NULL: it has none */
  /* [any-thread] The static table of one interface (anyvisor_backend_draft1, ...), or NULL. */
  const void* (*find)(const char* interface_id);
} anyvisor_plugin;

/* The entry. Returns static data; does nothing else. */
ANYVISOR_EXPORT const anyvisor_plugin* anyvisor_plugin_entry_v0(void);

#ifdef __cplusplus
}
#endif

#endif /* ANYVISOR_PLUGIN_H */
