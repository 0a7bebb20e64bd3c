// SPDX-License-Identifier: MIT
// What every operation stands on: the home folder and where the programs and plugins are.
#pragma once

#include <string>

#include "host/plugin_registry.hpp"
#include "storage/disk_store.hpp"
#include "storage/home.hpp"

namespace anyvisor {

struct Workspace {
  Home home;
  std::string plugin_host;      // the program
  std::string identity_worker;  // the program; need not be there
  std::string vsock_dial;       // the program
  PluginRegistry plugins;
  DiskStore disks;

  Workspace(Home the_home, std::string host_program, std::string plugin_folder)
      : home(std::move(the_home)),
        plugin_host(std::move(host_program)),
        identity_worker(plugin_host.substr(0, plugin_host.rfind('/') + 1) + "identity"),
        vsock_dial(plugin_host.substr(0, plugin_host.rfind('/') + 1) + "vsock-dial"),
        plugins(home, plugin_host, std::move(plugin_folder)),
        disks(home) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
};

}  // namespace anyvisor
