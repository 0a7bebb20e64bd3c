// SPDX-License-Identifier: MIT
#include "command_line.hpp"

#include <anyvisor/plugin.hpp>

#include "disk_nodes.hpp"
#include "network_devices.hpp"
#include "pci_layout.hpp"

namespace anyvisor::qemu {
namespace {

// The numbers that QEMU knows its descriptors by.
constexpr int folder_number = 3;
constexpr int qmp_number = 4;
constexpr int console_number = 5;
constexpr int agent_number = 6;
static_assert(memory_number == agent_number + 1);
constexpr int first_tap_number = 8;
constexpr int vsock_number = first_tap_number + int{max_nics};

class Builder {
 public:
  Builder(const MachineDocument& machine, const std::vector<Endpoint>& endpoints, const LaunchFacts& facts)
      : machine_(machine), endpoints_(endpoints), facts_(facts) {}

  CommandLine build() {
    line_.argv.push_back(facts_.binary);
    add_process();
    add_machine();
    add_memory();
    add_channels();
    add_disks();
    add_networks();
    add_vsock();
    add_boot();
    return std::move(line_);
  }

 private:
  void add(std::string option) { line_.argv.push_back(std::move(option)); }
  void add(std::string option, std::string value) {
    line_.argv.push_back(std::move(option));
    line_.argv.push_back(std::move(value));
  }
  int pass(int ours, int theirs) {
    line_.descriptors.emplace_back(ours, theirs);
    return theirs;
  }
  static std::string in_folder(const std::string& name) {
    return "/proc/self/fd/" + std::to_string(folder_number) + "/" + name;
  }

  void add_process() {
    add("-name", "guest=" + option_value(machine_.name) + ",debug-threads=on");
    add("-nodefaults");
    add("-no-user-config");
    add("-display", "none");
    add("-S");
    if (facts_.incoming) add("-incoming", "defer");
    // A guest that powers off or panics leaves the VMM there, stopped, to be asked and started again.
    add("-action", "shutdown=pause,panic=pause");
    if (facts_.sandbox) add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    pass(facts_.descriptors.folder, folder_number);
  }

  void add_machine() {
    std::string machine = facts_.machine_type + ",memory-backend=mem";
    if (machine_.boot.method == BootMethod::uefi) machine += ",pflash0=firmware-code,pflash1=firmware-variables";
    add("-machine", machine);
    add("-accel", facts_.accelerator == "tcg" ? "tcg,thread=multi" : facts_.accelerator);
    add("-cpu", facts_.cpu_model);
    const std::string cpus = std::to_string(machine_.cpus);
    add("-smp", "cpus=" + cpus + ",sockets=1,dies=1,cores=" + cpus + ",threads=1");
    add("-rtc", "base=utc");
    if (!machine_.smbios_uuid.empty()) add("-uuid", machine_.smbios_uuid);
    if (!machine_.vmgenid.empty()) add("-device", "vmgenid,id=vmgenid,guid=" + machine_.vmgenid);
    add("-device", "pvpanic,id=panic");
    add("-object", "rng-random,id=rng-source,filename=/dev/urandom");
    add("-device", "virtio-rng-pci,id=rng,rng=rng-source,bus=pcie.0,addr=" + pci_address(random_slot));
  }

  void add_memory() {
    const std::string mebibytes = std::to_string(machine_.memory / (1024 * 1024)) + "M";
    const int number = pass(facts_.descriptors.memory, memory_number);
    add("-m", mebibytes);
    add("-object", "memory-backend-file,id=mem,size=" + mebibytes + ",mem-path=/proc/self/fd/" +
                       std::to_string(number) + ",share=on");
  }

  void add_channels() {
    // Sockets that listen already: whoever connects, in whatever moment, waits for nothing but QEMU's first answer.
    auto listening = [](const char* id, int number) {
      return std::string("socket,id=") + id + ",fd=" + std::to_string(number) + ",server=on,wait=off";
    };
    add("-chardev", listening("qmp", pass(facts_.descriptors.qmp, qmp_number)));
    add("-mon", "chardev=qmp,mode=control");
    // QEMU writes the log itself, so that nothing is lost while nobody is connected.
    add("-chardev", listening("console", pass(facts_.descriptors.console, console_number)) +
                        ",logfile=" + in_folder("logs/console.log") + ",logappend=on");
    add("-device", "isa-serial,id=serial0,chardev=console");
    add("-device", "virtio-serial-pci,id=channels,bus=pcie.0,addr=" + pci_address(channel_slot));
    add("-chardev", listening("agent", pass(facts_.descriptors.agent, agent_number)));
    add("-device", "virtserialport,id=agent-port,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0");
  }

  void add_disks() {
    if (machine_.disks.size() > max_disks)
      throw sdk::Failure(ANYVISOR_EXHAUSTED, "a QEMU machine has room for " + std::to_string(max_disks) + " disks, " +
                                                 std::to_string(machine_.disks.size()) + " were asked for")
          .field("/disks");
    const bool bootable = machine_.boot.method != BootMethod::kernel;
    for (std::size_t i = 0; i < machine_.disks.size(); ++i) {
      for (auto& option : blockdev_options(machine_.disks[i], i)) add("-blockdev", std::move(option));
      add("-device", disk_device(machine_.disks[i], i, bootable));
    }
  }

  void add_networks() {
    if (endpoints_.size() > max_nics)
      throw sdk::Failure(ANYVISOR_EXHAUSTED, "a QEMU machine has room for " + std::to_string(max_nics) + " NICs, " +
                                                 std::to_string(endpoints_.size()) + " were asked for")
          .field("/endpoints");
    int tap_number = first_tap_number;
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      int tap = endpoints_[i].tap_fd >= 0 ? pass(endpoints_[i].tap_fd, tap_number++) : -1;
      if (std::string option = netdev_option(endpoints_[i], tap); !option.empty()) add("-netdev", option);
      add("-device", nic_device(endpoints_[i], i));
    }
  }

  void add_vsock() {
    if (facts_.descriptors.vsock < 0) return;
    const int number = pass(facts_.descriptors.vsock, vsock_number);
    add("-device", "vhost-vsock-pci,id=vsock,guest-cid=" + std::to_string(machine_.vsock.cid) +
                       ",vhostfd=" + std::to_string(number) + ",bus=pcie.0,addr=" + pci_address(vsock_slot));
  }

  void add_boot() {
    const Boot& boot = machine_.boot;
    if (boot.method == BootMethod::kernel) {
      add("-kernel", boot.kernel);
      if (!boot.initrd.empty()) add("-initrd", boot.initrd);
      if (!boot.command_line.empty()) add("-append", boot.command_line);
    } else if (boot.method == BootMethod::uefi) {
      add_firmware("firmware-code", facts_.firmware_code, true);
      add_firmware("firmware-variables", facts_.firmware_variables, false);
    }
  }

  void add_firmware(const std::string& node, const std::string& path, bool read_only) {
    add("-blockdev", protocol_node(path, node + "-file", read_only));
    add("-blockdev", raw_node(node, read_only));
  }
  static std::string raw_node(const std::string& name, bool read_only) {
    json::Document node = json::make_object();
    json::set(node, node, "node-name", name);
    json::set(node, node, "driver", "raw");
    json::set(node, node, "read-only", read_only);
    json::set(node, node, "file", name + "-file");
    return json::render(node);
  }

  const MachineDocument& machine_;
  const std::vector<Endpoint>& endpoints_;
  const LaunchFacts& facts_;
  CommandLine line_;
};

}  // namespace

CommandLine build_command_line(const MachineDocument& machine, const std::vector<Endpoint>& endpoints,
                               const LaunchFacts& facts) {
  return Builder(machine, endpoints, facts).build();
}

}  // namespace anyvisor::qemu
