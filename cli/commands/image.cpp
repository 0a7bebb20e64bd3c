// SPDX-License-Identifier: MIT
// anyvisor image import, list, info, remove.
#include <array>
#include <filesystem>
#include <limits>

#include "arguments.hpp"
#include "command.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

constexpr std::array import_options{
    Option{"name", 'n', "NAME", "What to call it (default: from the file's name)"},
    Option{"kernel", 0, "FILE", "A kernel that it boots with"},
    Option{"initrd", 0, "FILE", "The initrd of that kernel"},
    Option{"cmdline", 0, "TEXT", "The kernel's command line; {hostname} in it becomes the instance's name"},
    Option{"firmware", 0, "bios|uefi", "How it boots without a kernel"},
    Option{"disk-format", 0, "raw|qcow2", "The disk's format (default: as the file tells)"},
    Option{"cloud-init", 0, nullptr, "The guest runs cloud-init: each instance gets a seed, ssh keys and its name"},
    Option{"user", 0, "NAME", "With --cloud-init: its default user, who logs in over ssh"},
    Option{"digest", 0, "sha256:HEX", "Refuse the disk when its SHA-256 is another"},
};

constexpr const char* import_details =
    "IMAGE is a raw or qcow2 disk, or what another image store knows, such as debian:bookworm; without it an image is "
    "a\n"
    "kernel alone.\n"
    "\n"
    "  anyvisor image import debian:bookworm\n"
    "  anyvisor image import cloud.qcow2 --cloud-init --user ubuntu\n"
    "  anyvisor image import disk.raw --kernel vmlinuz --initrd initrd.img --cmdline 'root=LABEL=root rw "
    "console=ttyS0'\n"
    "  anyvisor image import --kernel tiny.elf --name tiny";

std::string boot_of(const ImageInfo& info) {
  if (info.has_kernel) return info.has_initrd ? "kernel and initrd" : "kernel";
  return info.firmware.empty() ? "firmware" : info.firmware;
}

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// A plugin-host may run elsewhere, and what is remembered should mean the same tomorrow. What is no file stays as it
// is: a name or a URL for another image store.
std::string absolute(const std::string& path) {
  std::error_code ignored;
  if (path.empty() || (path.find(':') != std::string::npos && !std::filesystem::exists(path, ignored))) return path;
  return std::filesystem::absolute(path, ignored).lexically_normal().string();
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string describe_image(const ImageInfo& info) {
  return render_fields({
      {"Name", info.name},
      {"Id", info.id},
      {"Summary", info.summary},
      {"Disk", info.has_disk ? human_size(info.virtual_size) + ", " + human_size(info.disk_size) +
                                   " on this machine, from " + info.format
                             : "none"},
      {"Boots with", boot_of(info)},
      {"Command line", info.command_line},
      {"cloud-init", info.cloud_init ? "yes" + (info.user.empty() ? "" : ", user " + info.user) : ""},
      {"Digest", info.digest},
      {"Source", info.source},
      {"Created", human_time(info.created)},
      {"Used by", joined(info.used_by)},
  });
}

int run_import(Session& session, const Arguments& arguments) {
  ImportRequest request;
  if (!arguments.positional().empty()) request.disk = absolute(arguments.positional().front());
  request.name = arguments.value("name");
  request.format = arguments.choice("disk-format", {"raw", "qcow2"}, "");
  request.digest = arguments.value("digest");
  request.kernel = absolute(arguments.value("kernel"));
  request.initrd = absolute(arguments.value("initrd"));
  request.command_line = arguments.value("cmdline");
  request.firmware = arguments.choice("firmware", {"bios", "uefi"}, "");
  request.cloud_init = arguments.has("cloud-init");
  request.user = arguments.value("user");
  if (request.disk.empty() && request.kernel.empty())
    throw UsageError("an image needs a disk or a kernel", "usage: anyvisor image import IMAGE, or with --kernel FILE");
  Manager& manager = session.manager();
  const ImageInfo info =
      value_of(session.perform("importing " + file_name(request.disk.empty() ? request.kernel : request.disk),
                               [&](Operation& operation) { return manager.import_image(request, operation); }));
  if (session.structured()) session.answer(json_text(info));
  session.tell("Imported " + info.name + (info.summary.empty() ? "" : ": " + info.summary));
  return 0;
}

int run_list(Session& session, const Arguments&) {
  const auto images = value_of(session.manager().images());
  if (session.structured()) {
    session.answer(json_list("images", images));
    return 0;
  }
  if (images.empty()) {
    session.tell("No images. Bring one with: anyvisor image import FILE, or launch debian:bookworm");
    return 0;
  }
  Table table({"NAME", "DISK", "ON THIS MACHINE", "BOOTS WITH", "CREATED", "USED BY"});
  for (const auto& info : images)
    table.add({info.name, info.has_disk ? human_size(info.virtual_size) : "",
               info.has_disk ? human_size(info.disk_size) : "", boot_of(info), human_time(info.created),
               joined(info.used_by)});
  session.print(table.render());
  return 0;
}

int run_info(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  std::vector<ImageInfo> found;
  const int code = session.for_each(arguments.positional(), [&](const std::string& name) -> Result<void> {
    auto info = manager.image(name);
    if (!info) return tl::unexpected<Error>(std::move(info).error());
    found.push_back(std::move(*info));
    return {};
  });
  if (session.structured()) {
    if (arguments.positional().size() > 1)
      session.answer(json_list("images", found));
    else if (!found.empty())
      session.answer(json_text(found.front()));
    return code;
  }
  for (const auto& info : found) session.print((&info == &found.front() ? "" : "\n") + describe_image(info));
  return code;
}

int run_remove(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  std::vector<std::string> removed;
  const int code = session.for_each(arguments.positional(), [&](const std::string& name) -> Result<void> {
    auto result = session.perform("removing " + name,
                                  [&](Operation& operation) { return manager.remove_image(name, operation); });
    if (!result) return result;
    session.tell("Removed " + name);
    removed.push_back(name);
    return {};
  });
  if (session.structured() && (code == 0 || !removed.empty())) {
    json::Document document = json::make_object();
    json::set(document, document, "removed", removed);
    session.answer(json::render_pretty(document));
  }
  return code;
}

}  // namespace

extern const Command image_import_command, image_list_command, image_info_command, image_remove_command;
constinit const Command image_import_command{
    "Images",
    "image import",
    nullptr,
    "[IMAGE]",
    "Bring a disk or a kernel of this machine, or what another image store has",
    import_details,
    0,
    1,
    import_options,
    run_import};
constinit const Command image_list_command{"Images", "image list", "image ls", "", "Show all images", nullptr, 0,
                                           0,        {},           run_list};
constinit const Command image_info_command{
    "Images", "image info", nullptr, "NAME...", "Show everything about images", nullptr, 1, any_number, {}, run_info};
constinit const Command image_remove_command{
    "Images", "image remove", "image rm", "NAME...", "Remove images", "Instances that were made from it keep working.",
    1,        any_number,     {},         run_remove};

}  // namespace anyvisor::cli
