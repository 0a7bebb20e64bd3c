// SPDX-License-Identifier: MIT
#include "local_images.hpp"

#include <sys/stat.h>

#include <anyvisor/json.hpp>
#include <optional>

#include "disk_inspection.hpp"
#include "sha256.hpp"
#include "source_file.hpp"

namespace local_images {

namespace json = anyvisor::json;
using anyvisor::sdk::Context;
using anyvisor::sdk::Failure;

namespace {

constexpr std::uint64_t default_max_virtual_size = 64ULL << 40;

constexpr const char* settings_schema = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "max_virtual_size": {
      "description": "The largest disk, in bytes as the guest sees it, that is imported. Default: 64 TiB.",
      "type": "integer", "minimum": 512
    }
  }
})";

json::Document parse(std::string_view text) {
  json::Document document;
  if (document.Parse(text.data(), text.size()).HasParseError() || !document.IsObject())
    throw Failure(ANYVISOR_INVALID_ARGUMENT, "the request is no JSON object");
  return document;
}

bool has_scheme(const std::string& reference) {
  const auto colon = reference.find("://");
  return colon != std::string::npos && colon > 0 && reference.find('/') == colon + 1;
}

// A URL, or "debian:12" when there is no such file: another store's business.
bool is_elsewhere(const std::string& reference) {
  struct stat status {};
  return has_scheme(reference) || (reference.find(':') != std::string::npos &&
                                   reference.find('/') == std::string::npos && ::stat(reference.c_str(), &status) != 0);
}

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// A name that needs no quoting, from a file's name without what says its format.
std::string name_from(const std::string& path) {
  std::string name = file_name(path);
  for (std::string_view suffix : {".qcow2", ".raw", ".img", ".elf"})
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      break;
    }
  std::string clean;
  for (char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || ((c == '.' || c == '_' || c == '-') && !clean.empty()))
      clean += c;
    else if (!clean.empty() && clean.back() != '-')
      clean += '-';
  }
  while (!clean.empty() && clean.back() == '-') clean.pop_back();
  return clean.empty() ? "image" : clean;
}

// What a fetch request asks for, checked as far as that goes without opening a file.
struct Request {
  explicit Request(const json::Value& request)
      : disk(json::string_or(request, "reference")),
        name(json::string_or(request, "name")),
        format(json::string_or(request, "format")),
        digest(json::string_or(request, "digest")),
        kernel(json::string_or(request, "kernel")),
        initrd(json::string_or(request, "initrd")),
        command_line(json::string_or(request, "command_line")),
        firmware(json::string_or(request, "firmware")),
        folder(json::string_or(request, "folder")),
        limit_bytes(json::uint_or(request, "limit_bytes", 0)) {
    auto refuse = [](const char* why, const char* field) {
      return Failure(ANYVISOR_INVALID_ARGUMENT, why).field(field);
    };
    if (folder.empty()) throw refuse("the request names no folder to bring the image to", "/folder");
    if (disk.empty() && kernel.empty())
      throw refuse("an image needs a disk or a kernel, and the request names neither", "/reference")
          .hint("name a raw or qcow2 file, or a kernel with --kernel");
    if (kernel.empty() && !initrd.empty()) throw refuse("an initrd is of no use without a kernel", "/initrd");
    if (kernel.empty() && !command_line.empty())
      throw refuse("a kernel command line is of no use without a kernel", "/command_line");
    if (!digest.empty() && disk.empty()) throw refuse("a digest is that of the disk, and there is no disk", "/digest");
    if (!firmware.empty() && firmware != "bios" && firmware != "uefi")
      throw refuse("the firmware must be bios or uefi", "/firmware");
  }
  std::string disk, name, format, digest, kernel, initrd, command_line, firmware, folder;
  std::uint64_t limit_bytes;  // the most that is copied in all; 0: no limit
};

}  // namespace

LocalImages::LocalImages(anyvisor::sdk::Host host, const Context&, std::string_view settings)
    : host_(host), max_virtual_size_(json::uint_or(parse(settings), "max_virtual_size", default_max_virtual_size)) {}

std::string LocalImages::capabilities(const Context&, std::string_view) {
  return R"({"capabilities":{},"disk_formats":["raw","qcow2"]})";
}

std::string LocalImages::resolve(const Context&, std::string_view text) {
  const json::Document request = parse(text);
  const std::string reference = json::string_or(request, "reference");
  struct stat status {};
  // A bare name is no path of the caller's: this process works elsewhere.
  if (!reference.starts_with('/')) throw anyvisor::sdk::declined("\"" + reference + "\" is not an absolute path");
  if (::stat(reference.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    throw anyvisor::sdk::declined("there is no file \"" + reference + "\"");
  json::Document reply = json::make_object();
  json::set(reply, reply, "name", name_from(reference));
  json::set(reply, reply, "version", "");
  json::set(reply, reply, "summary",
            file_name(reference) + ", " + human_size(static_cast<std::uint64_t>(status.st_size)));
  json::set(reply, reply, "key",
            std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + ":" + std::to_string(status.st_size) +
                ":" + std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec));
  return json::render(reply);
}

std::string LocalImages::fetch(const Context& context, std::string_view text) {
  const Request request{parse(text)};
  if (is_elsewhere(request.disk)) throw anyvisor::sdk::declined("\"" + request.disk + "\" is not a path");
  const std::string expected = request.digest.empty() ? "" : parse_digest(request.digest);
  // Everything is opened and examined before the first byte is copied.
  std::optional<SourceFile> disk, kernel, initrd;
  if (!request.disk.empty()) disk.emplace(request.disk, "disk", "/reference");
  if (!request.kernel.empty()) kernel.emplace(request.kernel, "kernel", "/kernel");
  if (!request.initrd.empty()) initrd.emplace(request.initrd, "initrd", "/initrd");

  json::Document reply = json::make_object();
  json::set(reply, reply, "name",
            request.name.empty() ? name_from(disk ? request.disk : request.kernel) : request.name);
  std::string summary = "kernel without a disk", digest;
  if (disk) {
    const DiskFacts facts = inspect_disk(host_, context, *disk, request.format, max_virtual_size_);
    const std::string file = "disk." + facts.format;
    digest = disk->copy_to(request.folder, file, context);
    if (!expected.empty() && digest != expected)
      throw Failure(ANYVISOR_CORRUPTED,
                    disk->described() + " has the digest sha256:" + digest + ", not sha256:" + expected)
          .field("/digest")
          .hint("copy or download it again, or correct the digest");
    summary = facts.format + " disk, " + human_size(facts.virtual_size);
    json::Value part(rapidjson::kObjectType);
    json::set(reply, part, "file", file);
    json::set(reply, part, "format", facts.format);
    json::set(reply, part, "virtual_size", facts.virtual_size);
    json::set_value(reply, reply, "disk", std::move(part));
  }
  auto copy_boot_file = [&](const SourceFile& source) {
    std::string sum = source.copy_to(request.folder, source.what(), context);
    json::Value part(rapidjson::kObjectType);
    json::set(reply, part, "file", source.what());
    json::set_value(reply, reply, source.what().c_str(), std::move(part));
    return sum;
  };
  if (kernel) {
    const std::string kernel_digest = copy_boot_file(*kernel);
    if (disk)
      summary += " with a kernel of its own";
    else
      digest = kernel_digest;
  }
  if (initrd) copy_boot_file(*initrd);
  json::set(reply, reply, "summary", summary);
  json::set(reply, reply, "digest", "sha256:" + digest);
  if (!request.command_line.empty()) json::set(reply, reply, "command_line", request.command_line);
  if (!request.firmware.empty()) json::set(reply, reply, "firmware", request.firmware);
  return json::render(reply);
}

}  // namespace local_images

ANYVISOR_PLUGIN((anyvisor::sdk::Description{"local-images", "0.1.0",
                                            "Imports disks and kernels from files of this machine", "MIT",
                                            local_images::settings_schema}),
                anyvisor::sdk::image_store<local_images::LocalImages>())
