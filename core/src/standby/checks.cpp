// SPDX-License-Identifier: MIT
#include "standby/checks.hpp"

#include <sys/stat.h>

#include <cerrno>

#include "standby/digest.hpp"
#include "standby/host_cpu.hpp"

namespace anyvisor {
namespace {

class Checks {
 public:
  Checks(const Workspace& workspace, const InstanceRecord& record, const Manifest& manifest)
      : workspace_(workspace),
        record_(record),
        manifest_(manifest),
        folder_(workspace.home.instance(record.id)),
        saved_(saved_folder(folder_)) {}

  Result<void> run() const {
    ANYVISOR_CHECK(check_owner());
    ANYVISOR_CHECK(check_unused());
    ANYVISOR_CHECK(check_hardware());
    ANYVISOR_CHECK(check_memory());
    ANYVISOR_CHECK(check_device_state());
    return check_disk();
  }

 private:
  Result<void> check_owner() const {
    if (manifest_.instance == record_.id) return {};
    return fail(ErrorKind::invalid_state, "the saved state belongs to another instance (" + manifest_.instance + ")");
  }

  Result<void> check_unused() const {
    const auto consumed = read_manifest(folder_, consumed_name);
    const bool used =
        manifest_.save == record_.restored_save || (consumed && *consumed && (*consumed)->save == manifest_.save);
    if (!used) return {};
    return fail(ErrorKind::invalid_state,
                "the saved state was restored already, and its machine has run on since: a state is used once");
  }

  // The first member in which two documents differ.
  Result<void> compare(const std::string& then_text, const std::string& now_text) const {
    ANYVISOR_TRY(const auto then, json::parse_object(then_text, "the saved hardware"));
    ANYVISOR_TRY(const auto now, json::parse_object(now_text, "the hardware"));
    const auto differ = [&](const json::Value& one, const json::Value& other, const char* name) {
      const auto a = one.FindMember(name), b = other.FindMember(name);
      return a == one.MemberEnd() ? b != other.MemberEnd() : b == other.MemberEnd() || a->value != b->value;
    };
    const auto shown = [](const json::Value& object, const char* name) {
      const auto member = object.FindMember(name);
      return member == object.MemberEnd() ? std::string("absent") : json::render(member->value);
    };
    for (const json::Value* side : {static_cast<const json::Value*>(&then), static_cast<const json::Value*>(&now)})
      for (const auto& member : side->GetObject()) {
        const char* name = member.name.GetString();
        // Who provides it, in which version and why: no guest sees that.
        if (std::string_view(name) == "vmm" || std::string_view(name) == "accelerator_reason") continue;
        if (!differ(then, now, name)) continue;
        return fail(ErrorKind::invalid_state,
                    "the memory was saved with other hardware: " + std::string(name) + " was " + shown(then, name) +
                        " and is " + shown(now, name),
                    "give the machine back what it had");
      }
    return {};
  }

  Result<void> check_hardware() const {
    ANYVISOR_CHECK(compare(manifest_.machine, visible_machine(record_)));
    ANYVISOR_CHECK(compare(manifest_.hardware, record_.hardware));
    if (manifest_.host_cpu.empty() || manifest_.host_cpu == describe_host_cpu()) return {};
    return fail(ErrorKind::invalid_state,
                "the memory was saved on another processor: " + manifest_.host_cpu + "; this is " + describe_host_cpu(),
                "restore it there");
  }

  // What is there under that name: a plain file of that size.
  Result<void> check_file(const std::string& what, const std::string& name, std::uint64_t size) const {
    const std::string path = saved_ + "/" + name;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return fail(ErrorKind::corrupted, what + " is missing: " + path);
      return fail_errno("cannot look at " + path, errno);
    }
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::corrupted, what + " is no file: " + path);
    if (static_cast<std::uint64_t>(status.st_size) == size) return {};
    return fail(ErrorKind::corrupted, what + (status.st_size == 0 ? " is empty: " : " has the wrong size: ") + path +
                                          " has " + std::to_string(status.st_size) + " bytes, and " +
                                          std::to_string(size) + " were saved");
  }

  Result<void> check_memory() const {
    // 0: the backend did not tell.
    if (manifest_.memory_size != 0 && manifest_.memory_size != record_.memory)
      return fail(ErrorKind::corrupted, "the saved memory is that of a machine with " +
                                            std::to_string(manifest_.memory_size) + " bytes, and this one has " +
                                            std::to_string(record_.memory));
    if (manifest_.durable) return check_file("the saved memory", manifest_.memory_file, manifest_.memory_file_size);
    if (is_kept(manifest_, workspace_.home.path())) return {};
    return fail(ErrorKind::not_found, "the memory was kept by a plugin-host that has ended");
  }

  Result<void> check_device_state() const {
    const std::string what = "the saved device state";
    ANYVISOR_CHECK(check_file(what, manifest_.state_file, manifest_.state_size));
    const std::string path = saved_ + "/" + manifest_.state_file;
    ANYVISOR_TRY(const std::string digest, digest_of_file(path));
    if (digest == manifest_.state_digest) return {};
    return fail(ErrorKind::corrupted,
                what + " is not what was saved: " + path + " has another digest than the manifest tells");
  }

  Result<void> check_untouched(const std::string& what, const std::string& path, const UntouchedFile& then) const {
    ANYVISOR_TRY(const auto now, UntouchedFile::of(path));
    if (now == then) return {};
    return fail(ErrorKind::invalid_state,
                what + " was written to since the memory was saved, and the two no longer belong together: " + path);
  }

  // The recorded disk, or empty overlays over it, as a clone makes them: the guest sees the same.
  Result<void> check_disk() const {
    if (manifest_.firmware_variables)
      ANYVISOR_CHECK(check_untouched("the file of the firmware's variables", folder_ + "/nvram.fd",
                                     *manifest_.firmware_variables));
    if (manifest_.disk.empty()) return {};
    ANYVISOR_TRY(const auto chain, workspace_.disks.chain(record_.disk));
    for (const auto& disk : chain) {
      const std::string path = workspace_.disks.path(disk);
      if (disk.id == manifest_.disk) return check_untouched("its disk", path, manifest_.disk_content);
      auto empty = disk.format == "qcow2" ? overlay_is_empty(path) : Result<bool>(false);
      if (!empty || !*empty) break;
    }
    return fail(ErrorKind::invalid_state,
                "the memory was saved with another disk (" + manifest_.disk_file + ") than the machine has now");
  }

  const Workspace& workspace_;
  const InstanceRecord& record_;
  const Manifest& manifest_;
  const std::string folder_, saved_;
};

}  // namespace

Result<void> check_saved_state(const Workspace& workspace, const InstanceRecord& record, const Manifest& manifest) {
  return Checks(workspace, record, manifest).run();
}

}  // namespace anyvisor
