// SPDX-License-Identifier: MIT
#include "debian_images.hpp"

#include <anyvisor/json.hpp>
#include <cstdlib>

#include "image_build.hpp"
#include "image_cache.hpp"
#include "reference.hpp"
#include "requirements.hpp"

namespace debian_images {

namespace json = anyvisor::json;
using anyvisor::sdk::Context;
using anyvisor::sdk::Failure;

const char* const settings_schema = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "mirror": {
      "description": "Address of the archive to build from. Default: $ANYVISOR_DEBIAN_MIRROR, else as this machine's own apt reaches it.",
      "type": "string", "pattern": "^[a-z+]+:[^ ]+$"
    }
  }
})";

namespace {

#if defined(__x86_64__)
constexpr const char* architecture = "amd64";
#else
constexpr const char* architecture = "";  // the recipe's boot loader and kernel are amd64's
#endif

json::Document parse(std::string_view text) {
  json::Document document;
  if (document.Parse(text.data(), text.size()).HasParseError() || !document.IsObject())
    throw Failure(ANYVISOR_INVALID_ARGUMENT, "the request is no JSON object");
  return document;
}

void describe(json::Document& document, json::Value& value, const Suite& suite, const std::string& mirror) {
  json::set(document, value, "name", canonical_name(suite));
  json::set(document, value, "version", suite.version.empty() ? suite.name : suite.version);
  json::set(document, value, "summary", title(suite) + " with cloud-init, built here from Debian's archive");
  json::set(document, value, "key", key_of(suite, architecture, mirror));
}

void refuse_extras(const json::Value& request) {
  for (const char* name : {"kernel", "initrd", "command_line", "firmware", "format", "digest"})
    if (!json::string_or(request, name).empty())
      throw Failure(ANYVISOR_INVALID_ARGUMENT, std::string("a Debian image brings its own ") + name)
          .field(std::string("/") + name)
          .hint("leave it out");
}

void check_requirements() {
  if (!*architecture) throw Failure(ANYVISOR_UNSUPPORTED, "Debian images are built on amd64 only, so far");
  const auto all = requirements();
  std::string reasons;
  for (const auto& needed : all)
    if (!needed.met) reasons += (reasons.empty() ? "" : "; ") + needed.reason;
  if (!reasons.empty())
    throw Failure(ANYVISOR_UNAVAILABLE, "a Debian image cannot be built here: " + reasons)
        .hint("as root: " + remedy(all));
}

// The files of the built image into the folder of the request, without a second copy where that can be.
void deliver(const anyvisor::sdk::Host& host, const Context& context, const ImageCache& cache,
             const std::string& folder) {
  if (cache.link_into(folder)) return;
  context.progress("copying the image", 0, 0);
  anyvisor::sdk::Process process;
  process.argv = {"cp",
                  "--reflink=auto",
                  "--sparse=always",
                  "--force",
                  "--",
                  cache.image() + "/disk.qcow2",
                  cache.image() + "/kernel",
                  cache.image() + "/initrd",
                  folder};
  process.env = {"LC_ALL=C.UTF-8"};
  json::Document reply;
  const std::string text = host.run(context, process);
  if (reply.Parse(text.c_str(), text.size()).HasParseError() || json::uint_or(reply, "status", 255) != 0) {
    const std::string errors = reply.IsObject() ? json::string_or(reply, "errors") : "";
    throw Failure(errors.find("No space left") != std::string::npos ? ANYVISOR_EXHAUSTED : ANYVISOR_UNAVAILABLE,
                  "cannot copy the image to \"" + folder + "\": " + errors)
        .hint("make room there, or use a home folder on the file system of " + cache.folder());
  }
}

}  // namespace

DebianImages::DebianImages(anyvisor::sdk::Host host, const Context&, std::string_view settings) : host_(host) {
  const char* variable = std::getenv("ANYVISOR_DEBIAN_MIRROR");
  mirror_ = json::string_or(parse(settings), "mirror", variable ? variable : "");
}

std::string DebianImages::capabilities(const Context&, std::string_view) {
  json::Document report = json::make_object();
  json::Value answers(rapidjson::kObjectType);
  const auto all = requirements();
  for (const auto& needed : all) {
    json::Value answer(rapidjson::kObjectType);
    json::set(report, answer, "answer", needed.met ? "yes" : "needs");
    if (!needed.met) {
      json::set(report, answer, "reason", needed.reason);
      json::set(report, answer, "remedy", remedy(all));
    }
    json::set_value(report, answers, needed.name.c_str(), std::move(answer));
  }
  json::set_value(report, report, "capabilities", std::move(answers));
  json::set(report, report, "disk_formats", std::vector<std::string>{"qcow2"});
  return json::render(report);
}

std::string DebianImages::resolve(const Context&, std::string_view request) {
  json::Document reply = json::make_object();
  const Suite& suite = suite_of(json::string_or(parse(request), "reference"));
  describe(reply, reply, suite, mirror_);
  const ImageCache cache(cache_folder(), key_of(suite, architecture, mirror_));
  json::set(reply, reply, "building", !cache.has_image() && BuildLock::is_taken(cache.lock()));
  return json::render(reply);
}

std::string DebianImages::list(const Context&, std::string_view) {
  json::Document reply = json::make_object();
  json::Value images(rapidjson::kArrayType);
  for (const auto& suite : suites()) {
    json::Value image(rapidjson::kObjectType);
    describe(reply, image, suite, mirror_);
    images.PushBack(std::move(image), reply.GetAllocator());
  }
  json::set_value(reply, reply, "images", std::move(images));
  return json::render(reply);
}

std::string DebianImages::fetch(const Context& context, std::string_view text) {
  const json::Document request = parse(text);
  const Suite& suite = suite_of(json::string_or(request, "reference"));
  refuse_extras(request);
  const ImageCache cache(cache_folder(), key_of(suite, architecture, mirror_));
  if (!cache.has_image()) {
    check_requirements();
    cache.make_folder();
    const auto lock = BuildLock::try_take(cache.lock());
    if (!lock)
      throw Failure(ANYVISOR_NOT_READY, canonical_name(suite) + " is being built by another process")
          .hint("wait for it; its log: " + cache.log())
          .retry();
    // It may have been built between the two looks.
    if (!cache.has_image()) build_image(host_, context, {suite, mirror_}, cache, *lock);
  }
  json::Document manifest = parse(cache.manifest());
  if (const std::string name = json::string_or(request, "name"); !name.empty())
    json::set(manifest, manifest, "name", name);
  deliver(host_, context, cache, json::string_or(request, "folder"));
  return json::render(manifest);
}

}  // namespace debian_images
