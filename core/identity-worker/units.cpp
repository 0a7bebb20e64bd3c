// SPDX-License-Identifier: MIT
// The units, in the order in which they run.
#include <array>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {

std::span<const Unit> units() {
  // cloud-init takes its network files away before addresses are sought in what is left.
  static constexpr std::array all{
      Unit{"boot-entries", "boot entries that are named by the machine id: /etc/kernel/entry-token keeps them",
           boot_entries},
      Unit{"journal", "the source's journal, which stays", journal},
      Unit{"machine-id", "systemd's and D-Bus's machine id", machine_id},
      Unit{"random-seeds", "saved randomness, the credential secret, the boot loader's seed", random_seeds},
      Unit{"ssh-host-keys", "the ssh server's host keys", ssh_host_keys},
      Unit{"hosts", "the machine's own name in /etc/hosts", hosts},
      Unit{"hostname", "the host name", hostname},
      Unit{"cloud-init", "cloud-init's memory of the source, and the network files that it made", cloud_init},
      Unit{"network-macs", "MAC addresses that network files and udev rules match by", network_macs},
      Unit{"dhcp-leases", "DHCP leases, client ids, and what they are made from", dhcp_leases},
      Unit{"iscsi-initiator", "the iSCSI initiator's name", iscsi_initiator},
      Unit{"nvme-host", "NVMe over Fabrics host id and name", nvme_host},
      Unit{"host-id", "/etc/hostid", host_id},
      Unit{"lvm-ids", "UUIDs of LVM, which stay", volume_groups},
  };
  return all;
}

}  // namespace anyvisor::identity
