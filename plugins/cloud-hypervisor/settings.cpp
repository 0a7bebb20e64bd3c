// SPDX-License-Identifier: MIT
#include "settings.hpp"

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>

namespace anyvisor::cloud_hypervisor {

const char* const settings_schema = R"json({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "title": "Settings of the Cloud Hypervisor backend",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "binary": {
      "description": "Cloud Hypervisor's program: an absolute path, or a name on PATH. Default: cloud-hypervisor.",
      "type": "string", "minLength": 1
    },
    "accelerator": {
      "description": "auto: a small guest is booted once to find out whether KVM works here; kvm: it is believed to. Default: auto.",
      "type": "string", "enum": ["auto", "kvm"]
    },
    "firmware": {
      "description": "Firmware that boots from disks: CLOUDHV.fd or rust-hypervisor-firmware (Debian's OVMF does not work here). Default: none.",
      "type": "string", "pattern": "^/"
    },
    "sandbox": {
      "description": "Run it under its seccomp filters and, from v41 on a kernel that has it, under Landlock; default true.",
      "type": "boolean"
    },
    "memory_restore": {
      "description": "How a restored guest gets its RAM: copy (before it goes on), on-demand (from v52: page by page), auto (on-demand where it works).",
      "type": "string", "enum": ["auto", "copy", "on-demand"]
    }
  }
})json";

Settings parse_settings(std::string_view text) {
  json::Document document;
  document.Parse(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject())
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "the settings of the Cloud Hypervisor backend are no JSON object");
  Settings settings;
  settings.binary = json::string_or(document, "binary", settings.binary);
  settings.firmware = json::string_or(document, "firmware");
  const std::string accelerator = json::string_or(document, "accelerator", "auto");
  if (accelerator != "auto" && accelerator != "kvm")
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "no such accelerator: " + accelerator)
        .field("/accelerator")
        .hint("use auto or kvm");
  settings.believe_kvm = accelerator == "kvm";
  settings.sandbox = json::bool_or(document, "sandbox", true);
  const std::string restore = json::string_or(document, "memory_restore", "auto");
  if (restore == "auto") {
    settings.memory_restore = MemoryRestore::automatic;
  } else if (restore == "copy") {
    settings.memory_restore = MemoryRestore::copy;
  } else if (restore == "on-demand") {
    settings.memory_restore = MemoryRestore::on_demand;
  } else {
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "no such way to restore memory: " + restore)
        .field("/memory_restore")
        .hint("use auto, copy or on-demand");
  }
  return settings;
}

}  // namespace anyvisor::cloud_hypervisor
