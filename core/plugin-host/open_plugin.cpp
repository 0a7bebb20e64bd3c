// SPDX-License-Identifier: MIT
#include "open_plugin.hpp"

#include <cstring>

#include "document/schema.hpp"

namespace anyvisor::host {
namespace {

constexpr std::size_t longest_reply = 4u << 20;  // as long as the longest line of the protocol

tl::unexpected<Error> no_handle(const std::string& id) {
  return fail(ErrorKind::internal, "plugin \"" + id + "\", open returned success and no handle",
              "tell the plugin's author: this breaks the plugin contract");
}

}  // namespace

OpenPlugin::OpenPlugin(LoadedPlugin plugin, Vmm* vmm, std::string home)
    : plugin_(std::move(plugin)), services_(plugin_.id, vmm, std::move(home)) {}

OpenPlugin::~OpenPlugin() {
  close();
}

void OpenPlugin::close() {
  if (auto* handle = std::exchange(backend_, nullptr)) plugin_.backend->close(handle);
  if (auto* handle = std::exchange(image_store_, nullptr)) plugin_.image_store->close(handle);
  if (auto* handle = std::exchange(network_, nullptr)) plugin_.network->close(handle);
}

Result<void> OpenPlugin::check_settings(const std::string& settings) {
  if (plugin_.settings_schema.empty()) return {};
  ANYVISOR_TRY(auto document, json::parse_object(settings, "the settings of " + plugin_.id));
  return json::check_schema_text(document, plugin_.settings_schema, "the settings of " + plugin_.id);
}

Result<void> OpenPlugin::check_request(const json::Value& request, std::string_view schema, const std::string& what) {
  if (schema.empty() || json::schema_text(schema).empty()) return {};
  auto checked = json::check_schema(request, schema);
  if (!checked) return in_context(what, std::move(checked).error());
  return {};
}

Result<json::Document> OpenPlugin::finish(anyvisor_status status, const char* reply, const std::string& what,
                                          CallContext& call, std::string_view reply_schema) {
  std::optional<std::string> declined;
  ANYVISOR_CHECK(call.outcome(status, what, &declined));
  if (declined) {
    auto document = json::make_object();
    json::set(document, document, "declined", *declined);
    return document;
  }
  if (!reply) return json::make_object();
  std::size_t length = strnlen(reply, longest_reply + 1);
  auto bad = [&](const std::string& why) {
    return fail(ErrorKind::internal, what + " answered with " + why,
                "tell the plugin's author: this breaks the plugin contract");
  };
  if (length > longest_reply) return bad("more than 4 MiB");
  auto document = json::parse_object({reply, length}, "the reply");
  if (!document) return bad("something that is no JSON object: " + document.error().message);
  if (!reply_schema.empty() && !json::schema_text(reply_schema).empty())
    if (auto checked = json::check_schema(*document, reply_schema); !checked)
      return bad("a wrong document: " + checked.error().message);
  return document;
}

Result<anyvisor_backend*> OpenPlugin::backend(const std::string& settings, CallContext& call) {
  if (backend_) return backend_;
  if (!plugin_.backend) return fail(ErrorKind::unsupported, "plugin \"" + plugin_.id + "\" is no backend");
  ANYVISOR_CHECK(check_settings(settings));
  anyvisor_backend* handle = nullptr;
  auto status = plugin_.backend->open(services_.abi(), call.abi(), settings.c_str(), &handle);
  ANYVISOR_CHECK(call.outcome(status, "plugin \"" + plugin_.id + "\", open"));
  if (!handle) return no_handle(plugin_.id);
  backend_ = handle;
  return backend_;
}

Result<anyvisor_image_store*> OpenPlugin::image_store(const std::string& settings, CallContext& call) {
  if (image_store_) return image_store_;
  if (!plugin_.image_store) return fail(ErrorKind::unsupported, "plugin \"" + plugin_.id + "\" is no image store");
  ANYVISOR_CHECK(check_settings(settings));
  anyvisor_image_store* handle = nullptr;
  auto status = plugin_.image_store->open(services_.abi(), call.abi(), settings.c_str(), &handle);
  ANYVISOR_CHECK(call.outcome(status, "plugin \"" + plugin_.id + "\", open"));
  if (!handle) return no_handle(plugin_.id);
  image_store_ = handle;
  return image_store_;
}

Result<anyvisor_network*> OpenPlugin::network(const std::string& settings, CallContext& call) {
  if (network_) return network_;
  if (!plugin_.network) return fail(ErrorKind::unsupported, "plugin \"" + plugin_.id + "\" is no network");
  ANYVISOR_CHECK(check_settings(settings));
  anyvisor_network* handle = nullptr;
  auto status = plugin_.network->open(services_.abi(), call.abi(), settings.c_str(), &handle);
  ANYVISOR_CHECK(call.outcome(status, "plugin \"" + plugin_.id + "\", open"));
  if (!handle) return no_handle(plugin_.id);
  network_ = handle;
  return network_;
}

}  // namespace anyvisor::host
