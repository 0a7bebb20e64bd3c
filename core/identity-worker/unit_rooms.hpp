// SPDX-License-Identifier: MIT
// The units' functions, by the file that has them. Each looks for its things in the guest and does nothing where there
// are none.
#pragma once

namespace anyvisor::identity {

class Rewrite;

// unit_ids.cpp
void machine_id(Rewrite& rewrite);
void iscsi_initiator(Rewrite& rewrite);
void nvme_host(Rewrite& rewrite);
void host_id(Rewrite& rewrite);
// unit_secrets.cpp
void random_seeds(Rewrite& rewrite);
void ssh_host_keys(Rewrite& rewrite);
// unit_names.cpp
void hostname(Rewrite& rewrite);
void hosts(Rewrite& rewrite);
// unit_network.cpp
void cloud_init(Rewrite& rewrite);
void network_macs(Rewrite& rewrite);
void dhcp_leases(Rewrite& rewrite);

}  // namespace anyvisor::identity
