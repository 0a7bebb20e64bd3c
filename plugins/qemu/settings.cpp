// SPDX-License-Identifier: MIT
#include "settings.hpp"

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>

namespace anyvisor::qemu {

const char* const settings_schema = R"json({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "title": "Settings of the QEMU backend",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "binary": {
      "description": "QEMU's program: an absolute path, or a name on PATH. Default: qemu-system-x86_64.",
      "type": "string", "minLength": 1
    },
    "machine_type": {
      "description": "Machine type of new machines, q35 or one of its versions (pc-q35-7.2). A machine that exists keeps its own.",
      "type": "string", "pattern": "^(pc-)?q35(-[0-9]+[.][0-9]+)?$"
    },
    "cpu_model": {
      "description": "CPU model as QEMU's -cpu takes it. Default: host with KVM, max with TCG.",
      "type": "string", "pattern": "^[A-Za-z0-9_.+,=-]+$"
    },
    "accelerator": {
      "description": "auto: KVM where a probe shows that it works, else TCG.",
      "type": "string", "enum": ["auto", "kvm", "tcg"]
    },
    "sandbox": {"description": "Run QEMU under its seccomp filter; default true.", "type": "boolean"},
    "firmware_code": {"description": "UEFI: file of the firmware's code. Default: looked for.", "type": "string", "pattern": "^/"},
    "firmware_variables": {
      "description": "UEFI: template of the firmware's variables. Default: the one that belongs to the code.",
      "type": "string", "pattern": "^/"
    }
  }
})json";

Settings parse_settings(std::string_view text) {
  json::Document document;
  document.Parse(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject())
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "the settings of the QEMU backend are no JSON object");
  Settings settings;
  settings.binary = json::string_or(document, "binary", settings.binary);
  settings.machine_type = json::string_or(document, "machine_type", settings.machine_type);
  settings.cpu_model = json::string_or(document, "cpu_model");
  settings.sandbox = json::bool_or(document, "sandbox", true);
  settings.firmware_code = json::string_or(document, "firmware_code");
  settings.firmware_variables = json::string_or(document, "firmware_variables");
  std::string accelerator = json::string_or(document, "accelerator", "auto");
  if (accelerator == "auto") {
    settings.accelerator = AcceleratorChoice::automatic;
  } else if (accelerator == "kvm") {
    settings.accelerator = AcceleratorChoice::kvm;
  } else if (accelerator == "tcg") {
    settings.accelerator = AcceleratorChoice::tcg;
  } else {
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "no such accelerator: " + accelerator)
        .field("/accelerator")
        .hint("use auto, kvm or tcg");
  }
  return settings;
}

}  // namespace anyvisor::qemu
