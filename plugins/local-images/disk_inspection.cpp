// SPDX-License-Identifier: MIT
#include "disk_inspection.hpp"

#include <anyvisor/json.hpp>
#include <array>

namespace local_images {

namespace json = anyvisor::json;
using anyvisor::sdk::Context;
using anyvisor::sdk::Failure;
using anyvisor::sdk::Host;

namespace {

// Seconds that one look at an image's metadata may take; an honest one takes milliseconds.
constexpr const char* info_limit_s = "60";

constexpr const char* standalone_hint = "make a standalone copy with: qemu-img convert -O qcow2 SOURCE TARGET";

Failure refuse(const SourceFile& disk, anyvisor_status status, const std::string& why) {
  return Failure(status, disk.described() + " " + why).field(disk.field());
}

std::uint64_t big_endian(const unsigned char* bytes, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes[i];
  return value;
}

// The format as the first bytes tell, in qemu-img's names; empty: none of those known here. Done before qemu-img sees
// the file, since a VMDK descriptor, for one, names other files that its driver opens while probing.
std::string format_by_magic(const SourceFile& disk) {
  std::string head(4096, '\0');
  head.resize(disk.read(head.data(), head.size(), 0));
  struct Magic {
    std::size_t offset;
    std::string_view bytes;
    const char* format;
  };
  using namespace std::string_view_literals;
  static constexpr std::array magics{
      Magic{0, "QFI\xfb\0\0\0\1"sv, "qcow"},
      Magic{0, "QFI\xfb"sv, "qcow2"},
      Magic{0, "QED\0"sv, "qed"},
      Magic{0, "KDMV"sv, "vmdk"},
      Magic{0, "COWD"sv, "vmdk"},
      Magic{0, "vhdxfile"sv, "vhdx"},
      Magic{0, "conectix"sv, "vpc"},
      Magic{0, "WithoutFreeSpace"sv, "parallels"},
      Magic{0, "WithouFreSpacExt"sv, "parallels"},
      Magic{0, "LUKS\xba\xbe"sv, "luks"},
      Magic{64, "\x7f\x10\xda\xbe"sv, "vdi"},
  };
  for (const auto& magic : magics)
    if (head.size() >= magic.offset + magic.bytes.size() &&
        head.compare(magic.offset, magic.bytes.size(), magic.bytes) == 0)
      return magic.format;
  if (head.find("# Disk DescriptorFile") != std::string::npos && head.find("createType") != std::string::npos)
    return "vmdk";
  if (std::string tail(512, '\0'); disk.size() >= 512 && disk.read(tail.data(), 512, disk.size() - 512) == 512) {
    if (tail.starts_with("koly")) return "dmg";
    if (tail.starts_with("conectix")) return "vpc";
  }
  return {};
}

// A qcow2 header that names other files is refused before qemu-img opens the image.
void check_qcow2_header(const SourceFile& disk) {
  std::array<unsigned char, 104> header{};
  const std::size_t size = disk.read(header.data(), header.size(), 0);
  if (size < 72) throw refuse(disk, ANYVISOR_CORRUPTED, "is truncated: it ends inside its qcow2 header");
  const auto version = big_endian(&header[4], 4);
  if (version != 2 && version != 3)
    throw refuse(disk, ANYVISOR_UNSUPPORTED,
                 "is qcow2 of version " + std::to_string(version) + ", and only 2 and 3 are known");
  if (big_endian(&header[8], 8) != 0)
    throw refuse(disk, ANYVISOR_UNSUPPORTED, "has a backing file: it is only a part of a disk").hint(standalone_hint);
  if (big_endian(&header[32], 4) != 0)
    throw refuse(disk, ANYVISOR_UNSUPPORTED, "is encrypted").hint("decrypt it first with qemu-img convert");
  if (version < 3) return;
  if (size < header.size()) throw refuse(disk, ANYVISOR_CORRUPTED, "is truncated: it ends inside its qcow2 header");
  const auto incompatible = big_endian(&header[72], 8);
  if (incompatible & 2)
    throw refuse(disk, ANYVISOR_CORRUPTED, "is marked as corrupt")
        .hint("repair a copy of it with: qemu-img check -r all FILE");
  if (incompatible & 4)
    throw refuse(disk, ANYVISOR_UNSUPPORTED, "keeps its data in another file (external data file)")
        .hint(standalone_hint);
}

struct ToolAnswer {
  std::uint64_t status = 0;
  std::string output, errors;
};

// Runs qemu-img; the image is descriptor 3 there, so that no file name is taken for a protocol ("nbd:...") or an
// option.
ToolAnswer qemu_img(const Host& host, const Context& context, const SourceFile& disk,
                    std::vector<std::string> arguments) {
  anyvisor::sdk::Process process;
  process.argv = {"timeout", "--foreground", "--signal=KILL", info_limit_s, "qemu-img"};
  // A check reads all metadata, which may be gigabytes: only the caller's deadline limits it.
  if (arguments.front() == "check") process.argv = {"qemu-img"};
  for (auto& argument : arguments) process.argv.push_back(std::move(argument));
  process.argv.emplace_back("/proc/self/fd/3");
  process.env = {"LC_ALL=C"};
  process.fds = {{disk.fd(), 3}};
  json::Document reply;
  const std::string text = host.run(context, process);
  if (reply.Parse(text.c_str(), text.size()).HasParseError())
    throw Failure(ANYVISOR_INTERNAL, "the host's answer about qemu-img is no JSON");
  ToolAnswer answer{json::uint_or(reply, "status", 255), json::string_or(reply, "output"),
                    json::string_or(reply, "errors")};
  if (answer.status == 127 || answer.status == 126)
    throw Failure(ANYVISOR_UNAVAILABLE, "qemu-img is not installed: it is needed to examine " + disk.described())
        .hint("apt install qemu-utils");
  if (answer.status == 137)
    throw refuse(disk, ANYVISOR_CORRUPTED,
                 std::string("was not understood within ") + info_limit_s + " s: qemu-img was stopped");
  return answer;
}

// The last part of "qemu-img: Could not open '/proc/self/fd/3': Image is not in qcow2 format".
std::string reason_of(const std::string& errors) {
  std::string line = errors.substr(0, errors.find('\n'));
  if (auto quote = line.rfind("': "); quote != std::string::npos) return line.substr(quote + 3);
  if (line.starts_with("qemu-img: ")) return line.substr(10);
  return line.empty() ? "qemu-img gave no reason" : line;
}

[[noreturn]] void refuse_unreadable(const SourceFile& disk, const ToolAnswer& answer) {
  const std::string reason = reason_of(answer.errors);
  if (reason.find("lock") != std::string::npos)
    throw refuse(disk, ANYVISOR_BUSY, "is in use by another program")
        .hint("shut that down, or import a copy of the disk");
  throw refuse(disk, ANYVISOR_CORRUPTED, "is damaged or truncated: " + reason);
}

void refuse_format(const SourceFile& disk, const std::string& format) {
  if (format == "luks") throw refuse(disk, ANYVISOR_UNSUPPORTED, "is encrypted (LUKS)").hint("decrypt it first");
  throw refuse(disk, ANYVISOR_UNSUPPORTED,
               "is in the format \"" + format + "\", and only raw and qcow2 can be imported")
      .hint("convert it with: qemu-img convert -O qcow2 SOURCE TARGET");
}

// qemu-img's own view; the header was looked at before, this is the second lock on the same door.
void refuse_references(const SourceFile& disk, const json::Value& info) {
  if (json::find(info, "backing-filename") || json::find(info, "full-backing-filename"))
    throw refuse(disk, ANYVISOR_UNSUPPORTED, "has a backing file: it is only a part of a disk").hint(standalone_hint);
  if (json::bool_or(info, "encrypted", false))
    throw refuse(disk, ANYVISOR_UNSUPPORTED, "is encrypted").hint("decrypt it first");
  const json::Value* specific = json::object_or_null(info, "format-specific");
  const json::Value* data = specific ? json::object_or_null(*specific, "data") : nullptr;
  if (!data) return;
  if (json::find(*data, "data-file"))
    throw refuse(disk, ANYVISOR_UNSUPPORTED, "keeps its data in another file (external data file)")
        .hint(standalone_hint);
  if (json::find(*data, "encrypt")) throw refuse(disk, ANYVISOR_UNSUPPORTED, "is encrypted").hint("decrypt it first");
  if (json::bool_or(*data, "corrupt", false)) throw refuse(disk, ANYVISOR_CORRUPTED, "is marked as corrupt");
}

// A qcow2 that was cut short opens well: only its tables tell.
void check_qcow2_clusters(const Host& host, const Context& context, const SourceFile& disk) {
  const ToolAnswer answer = qemu_img(host, context, disk, {"check", "--output=json", "-f", "qcow2"});
  json::Document report;
  if (report.Parse(answer.output.c_str(), answer.output.size()).HasParseError()) refuse_unreadable(disk, answer);
  const auto corruptions = json::uint_or(report, "corruptions", 0), errors = json::uint_or(report, "check-errors", 0);
  if (corruptions == 0 && errors == 0) return;
  if (json::uint_or(report, "image-end-offset", 0) > disk.size() ||
      answer.errors.find("end of the file") != std::string::npos)
    throw refuse(disk, ANYVISOR_CORRUPTED, "is truncated: it refers to data beyond its end")
        .hint("copy or download it again");
  throw refuse(disk, ANYVISOR_CORRUPTED,
               "is damaged: qemu-img check found " + std::to_string(corruptions + errors) + " errors")
      .hint("repair a copy of it with: qemu-img check -r all FILE");
}

}  // namespace

DiskFacts inspect_disk(const Host& host, const Context& context, const SourceFile& disk, const std::string& format,
                       std::uint64_t max_virtual_size) {
  if (!format.empty() && format != "raw" && format != "qcow2")
    throw Failure(ANYVISOR_UNSUPPORTED, "the format \"" + format + "\" cannot be imported, only raw and qcow2")
        .field("/format")
        .hint("convert it with: qemu-img convert -O qcow2 SOURCE TARGET");
  const std::string magic = format_by_magic(disk);
  const std::string known = format.empty() ? magic : format;
  if (format == "qcow2" && magic != "qcow2")
    throw refuse(disk, ANYVISOR_INVALID_ARGUMENT, "is not a qcow2 image" + (magic.empty() ? "" : ", but " + magic));
  if (!known.empty() && known != "raw" && known != "qcow2") refuse_format(disk, known);
  if (known == "qcow2") check_qcow2_header(disk);

  std::vector<std::string> arguments{"info", "--output=json"};
  if (!known.empty()) arguments.insert(arguments.end(), {"-f", known});
  const ToolAnswer answer = qemu_img(host, context, disk, std::move(arguments));
  json::Document info;
  if (answer.status != 0 || info.Parse(answer.output.c_str(), answer.output.size()).HasParseError())
    refuse_unreadable(disk, answer);
  DiskFacts facts{json::string_or(info, "format"), json::uint_or(info, "virtual-size", 0)};
  if (facts.format != "raw" && facts.format != "qcow2") refuse_format(disk, facts.format);
  refuse_references(disk, info);
  if (facts.format == "raw" && disk.size() % 512 != 0)
    throw refuse(
        disk, ANYVISOR_CORRUPTED,
        "is truncated or no disk: its size of " + std::to_string(disk.size()) + " bytes is no multiple of 512");
  if (facts.virtual_size == 0) throw refuse(disk, ANYVISOR_INVALID_ARGUMENT, "has a virtual size of 0");
  if (facts.virtual_size > max_virtual_size)
    throw refuse(disk, ANYVISOR_EXHAUSTED,
                 "has a virtual size of " + human_size(facts.virtual_size) + ", and the limit is " +
                     human_size(max_virtual_size));
  if (facts.format == "qcow2") check_qcow2_clusters(host, context, disk);
  return facts;
}

}  // namespace local_images
