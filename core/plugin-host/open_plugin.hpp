// SPDX-License-Identifier: MIT
// A loaded plugin in use: its services and the handles that were opened from it. Everything on the worker thread.
#pragma once

#include <memory>
#include <string>

#include "call_context.hpp"
#include "loader.hpp"
#include "services.hpp"

namespace anyvisor::host {

class OpenPlugin {
 public:
  OpenPlugin(LoadedPlugin plugin, Vmm* vmm, std::string home);
  ~OpenPlugin();
  // Closes its handles.
  void close();

  const LoadedPlugin& loaded() const { return plugin_; }

  // Opened at the first use, with the settings of that use. Errors: unsupported (no such interface), what open()
  // reports.
  Result<anyvisor_backend*> backend(const std::string& settings, CallContext& call);
  Result<anyvisor_image_store*> image_store(const std::string& settings, CallContext& call);
  Result<anyvisor_network*> network(const std::string& settings, CallContext& call);

  // Calls `function` on a handle and checks what comes back. `function` NULL: unsupported. `request_schema`,
  // `reply_schema`: names of published schemas, or empty. A declined call answers {"declined":"why"}. `method`: for
  // messages.
  template <class Handle>
  Result<json::Document> call(anyvisor_status (*function)(Handle*, const anyvisor_context*, const char*, const char**),
                              Handle* handle, const std::string& method, const json::Value& request, CallContext& call,
                              std::string_view request_schema = {}, std::string_view reply_schema = {}) {
    std::string what = "plugin \"" + plugin_.id + "\", " + method;
    if (!function) return fail(ErrorKind::unsupported, what + ": this plugin cannot do that");
    ANYVISOR_CHECK(check_request(request, request_schema, what));
    const char* reply = nullptr;
    std::string text = json::render(request);
    anyvisor_status status = function(handle, call.abi(), text.c_str(), &reply);
    return finish(status, reply, what, call, reply_schema);
  }
  // The end of a call: its status and reply as a Result.
  Result<json::Document> finish(anyvisor_status status, const char* reply, const std::string& what, CallContext& call,
                                std::string_view reply_schema);

 private:
  Result<void> check_request(const json::Value& request, std::string_view schema, const std::string& what);
  Result<void> check_settings(const std::string& settings);
  LoadedPlugin plugin_;
  Services services_;
  anyvisor_backend* backend_ = nullptr;
  anyvisor_image_store* image_store_ = nullptr;
  anyvisor_network* network_ = nullptr;
};

}  // namespace anyvisor::host
