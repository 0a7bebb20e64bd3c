// SPDX-License-Identifier: MIT
// An image store that is built by another compiler than the core: knows images "clang:<name>", throws across its own
// frames, and has settings.
#include <anyvisor/plugin.hpp>
#include <cstdio>
#include <map>
#include <string>

namespace {

using namespace anyvisor::sdk;

// Without a JSON library: references here hold no escapes.
std::string reference_of(std::string_view request) {
  constexpr std::string_view key = "\"reference\":\"";
  auto at = request.find(key);
  if (at == std::string_view::npos) throw Failure(ANYVISOR_INVALID_ARGUMENT, "no reference").field("/reference");
  request.remove_prefix(at + key.size());
  return std::string(request.substr(0, request.find('"')));
}

class ClangBuilt : public ImageStore {
 public:
  ClangBuilt(Host host, const Context&, std::string_view) : host_(host) {
    host_.log(ANYVISOR_LOG_INFO, "built by " __VERSION__);
  }
  std::string capabilities(const Context&, std::string_view) override { return R"({"capabilities":{}})"; }
  std::string resolve(const Context&, std::string_view request) override {
    const std::string reference = reference_of(request);
    if (!reference.starts_with("clang:")) throw declined("\"" + reference + "\" does not begin with clang:");
    ++asked_[reference];
    return R"({"name":")" + reference.substr(6) + R"(","version":")" + std::to_string(asked_[reference]) +
           R"(","key":"1","summary":"built by )" __VERSION__ R"("})";
  }
  std::string fetch(const Context& context, std::string_view request) override {
    context.progress("download", 0, 2);
    context.check();
    context.progress("download", 2, 2);
    throw Failure(ANYVISOR_UNAVAILABLE, "\"" + reference_of(request) + "\" is known but cannot be had")
        .hint("take another image")
        .retry();
  }

 private:
  Host host_;
  std::map<std::string, int> asked_;
};

constexpr const char* schema =
    R"({"type":"object","properties":{"greeting":{"description":"Any text.","type":"string"}}})";

}  // namespace

ANYVISOR_PLUGIN((Description{"clang-built", "0.1.0", "An image store built by clang", "MIT", schema}),
                image_store<ClangBuilt>())
