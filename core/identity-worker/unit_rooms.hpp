// SPDX-License-Identifier: MIT
// The units' functions, by the file that has them. Each looks for its things in the guest and does nothing where there
// are none.
#pragma once

namespace anyvisor::identity {

class Rewrite;

// unit_ids.cpp
void boot_entries(Rewrite& rewrite);
void journal(Rewrite& rewrite);
void machine_id(Rewrite& rewrite);
void iscsi_initiator(Rewrite& rewrite);
void nvme_host(Rewrite& rewrite);
void host_id(Rewrite& rewrite);
void volume_groups(Rewrite& rewrite);
// unit_secrets.cpp
void random_seeds(Rewrite& rewrite);
// unit_ssh.cpp
void ssh_host_keys(Rewrite& rewrite);
// unit_names.cpp
void hosts(Rewrite& rewrite);
void hostname(Rewrite& rewrite);
// unit_cloud_init.cpp
void cloud_init(Rewrite& rewrite);
// unit_network.cpp
void network_macs(Rewrite& rewrite);
void dhcp_leases(Rewrite& rewrite);

}  // namespace anyvisor::identity
