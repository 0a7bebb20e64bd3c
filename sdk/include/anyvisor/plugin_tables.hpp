// SPDX-License-Identifier: MIT
// The second half of plugin.hpp, which includes it: the C tables over the classes of an author, and the entry symbol.
// Authors use backend<T>(), image_store<T>(), network<T>(), Description and ANYVISOR_PLUGIN; what stands in `detail`
// may change.
#pragma once

#include <anyvisor/plugin.hpp>
#include <array>
#include <cstring>

namespace anyvisor::sdk {

namespace detail {

// Behind each opaque handle: the object and the text of its last reply.
template <class Object>
struct Handle {
  std::unique_ptr<Object> object;
  std::string reply;
};

template <class Opaque, class Object, auto Method>
anyvisor_status call(Opaque* opaque, const anyvisor_context* context, const char* request,
                     const char** reply) noexcept {
  auto* handle = reinterpret_cast<Handle<Object>*>(opaque);
  return guarded(context, [&] {
    handle->reply = ((*handle->object).*Method)(Context(context), request ? request : "{}");
    *reply = handle->reply.c_str();
  });
}

template <class Opaque, class Object, class Concrete>
anyvisor_status open(const anyvisor_host* host, const anyvisor_context* context, const char* settings,
                     Opaque** opaque) noexcept {
  return guarded(context, [&] {
    auto handle = std::make_unique<Handle<Object>>();
    handle->object =
        std::make_unique<Concrete>(Host(host), Context(context), std::string_view(settings ? settings : "{}"));
    *opaque = reinterpret_cast<Opaque*>(handle.release());
  });
}

template <class Opaque, class Object>
void close(Opaque* opaque) noexcept {
  delete reinterpret_cast<Handle<Object>*>(opaque);
}

inline anyvisor_status attach(anyvisor_backend* opaque, const anyvisor_context* context, const char* document,
                              anyvisor_machine** machine) noexcept {
  auto* backend = reinterpret_cast<Handle<Backend>*>(opaque);
  return guarded(context, [&] {
    auto handle = std::make_unique<Handle<Machine>>();
    handle->object = backend->object->attach(Context(context), document ? document : "{}");
    *machine = reinterpret_cast<anyvisor_machine*>(handle.release());
  });
}

inline std::int32_t event_fd(anyvisor_machine* opaque) noexcept {
  return reinterpret_cast<Handle<Machine>*>(opaque)->object->event_fd();
}

}  // namespace detail

// An interface id and its table.
struct Interface {
  const char* id;
  const void* table;
};

template <class Concrete>
ANYVISOR_LOCAL Interface backend() {
  using M = anyvisor_machine;
  using B = anyvisor_backend;
  static const anyvisor_backend_draft1 table = [] {
    anyvisor_backend_draft1 t{};
    t.struct_size = sizeof t;
    t.open = detail::open<B, Backend, Concrete>;
    t.close = detail::close<B, Backend>;
    t.capabilities = detail::call<B, Backend, &Backend::capabilities>;
    t.states = detail::call<B, Backend, &Backend::states>;
    t.disk_action = detail::call<B, Backend, &Backend::disk_action>;
    t.attach = detail::attach;
    t.detach = detail::close<M, Machine>;
    t.create = detail::call<M, Machine, &Machine::create>;
    t.adopt = detail::call<M, Machine, &Machine::adopt>;
    t.boot = detail::call<M, Machine, &Machine::boot>;
    t.pause = detail::call<M, Machine, &Machine::pause>;
    t.resume = detail::call<M, Machine, &Machine::resume>;
    t.shutdown = detail::call<M, Machine, &Machine::shutdown>;
    t.terminate = detail::call<M, Machine, &Machine::terminate>;
    t.state = detail::call<M, Machine, &Machine::state>;
    t.save = detail::call<M, Machine, &Machine::save>;
    t.restore = detail::call<M, Machine, &Machine::restore>;
    t.fork = detail::call<M, Machine, &Machine::fork>;
    t.snapshot_disk = detail::call<M, Machine, &Machine::snapshot_disk>;
    t.attach_device = detail::call<M, Machine, &Machine::attach_device>;
    t.detach_device = detail::call<M, Machine, &Machine::detach_device>;
    t.resize = detail::call<M, Machine, &Machine::resize>;
    t.guest_endpoints = detail::call<M, Machine, &Machine::guest_endpoints>;
    t.event_fd = detail::event_fd;
    t.on_event = detail::call<M, Machine, &Machine::on_event>;
    t.destroy = detail::call<M, Machine, &Machine::destroy>;
    return t;
  }();
  return {ANYVISOR_BACKEND_ID, &table};
}

template <class Concrete>
ANYVISOR_LOCAL Interface image_store() {
  using S = anyvisor_image_store;
  static const anyvisor_image_store_draft1 table = [] {
    anyvisor_image_store_draft1 t{};
    t.struct_size = sizeof t;
    t.open = detail::open<S, ImageStore, Concrete>;
    t.close = detail::close<S, ImageStore>;
    t.capabilities = detail::call<S, ImageStore, &ImageStore::capabilities>;
    t.resolve = detail::call<S, ImageStore, &ImageStore::resolve>;
    t.list = detail::call<S, ImageStore, &ImageStore::list>;
    t.fetch = detail::call<S, ImageStore, &ImageStore::fetch>;
    return t;
  }();
  return {ANYVISOR_IMAGE_STORE_ID, &table};
}

template <class Concrete>
ANYVISOR_LOCAL Interface network() {
  using N = anyvisor_network;
  static const anyvisor_network_draft1 table = [] {
    anyvisor_network_draft1 t{};
    t.struct_size = sizeof t;
    t.open = detail::open<N, Network, Concrete>;
    t.close = detail::close<N, Network>;
    t.capabilities = detail::call<N, Network, &Network::capabilities>;
    t.acquire = detail::call<N, Network, &Network::acquire>;
    t.adopt = detail::call<N, Network, &Network::adopt>;
    t.release = detail::call<N, Network, &Network::release>;
    return t;
  }();
  return {ANYVISOR_NETWORK_ID, &table};
}

struct Description {
  const char* id;
  const char* version;
  const char* summary;
  const char* license;
  const char* settings_schema;  // or nullptr
};

namespace detail {

// The plugin's one descriptor; `Interfaces` are fixed at the first call, so that find() needs no lock.
template <std::size_t N>
struct ANYVISOR_LOCAL Registration {
  std::array<Interface, N> interfaces;
  std::array<const char*, N + 1> ids{};
  anyvisor_plugin plugin{};
  static inline const Registration* self = nullptr;

  Registration(const Description& description, std::array<Interface, N> given) : interfaces(given) {
    for (std::size_t i = 0; i < N; ++i) ids[i] = interfaces[i].id;
    plugin.struct_size = sizeof plugin;
    plugin.abi_major = ANYVISOR_ABI_MAJOR;
    plugin.abi_minor = ANYVISOR_ABI_MINOR;
    plugin.id = description.id;
    plugin.version = description.version;
    plugin.summary = description.summary;
    plugin.license = description.license;
    plugin.interfaces = ids.data();
    plugin.settings_schema = description.settings_schema;
    plugin.find = [](const char* id) -> const void* {
      for (const auto& entry : self->interfaces)
        if (std::strcmp(entry.id, id) == 0) return entry.table;
      return nullptr;
    };
    self = this;
  }
};
template <std::size_t N>
Registration(const Description&, std::array<Interface, N>) -> Registration<N>;

}  // namespace detail
}  // namespace anyvisor::sdk

// Writes the entry symbol. First the Description, then one or more of backend<T>(), image_store<T>(), network<T>().
#define ANYVISOR_PLUGIN(description, ...)                                                                  \
  extern "C" ANYVISOR_EXPORT const anyvisor_plugin* anyvisor_plugin_entry_v0(void) {                       \
    static const anyvisor::sdk::detail::Registration registration{(description), std::array{__VA_ARGS__}}; \
    return &registration.plugin;                                                                           \
  }
