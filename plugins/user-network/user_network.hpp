// SPDX-License-Identifier: MIT
// User-mode networking: the VMM's own stack, no privileges. What it adds is the ports that are published.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "port_hold.hpp"

namespace user_network {

class UserNetwork : public anyvisor::sdk::Network {
 public:
  UserNetwork(anyvisor::sdk::Host host, const anyvisor::sdk::Context& context, std::string_view settings);
  std::string capabilities(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string acquire(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string adopt(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string release(const anyvisor::sdk::Context& context, std::string_view request) override;

 private:
  // What one entry of "publish" asks for.
  struct Wish {
    Protocol protocol;
    std::string address_text;
    std::uint32_t address;      // IPv4, network byte order
    std::uint16_t port, guest;  // port 0: any free one
  };
  std::vector<Wish> read_wishes(const anyvisor::json::Value& endpoint) const;
  PortHold hold(const Wish& wish) const;

  std::string default_address_ = "127.0.0.1";
  std::uint16_t first_port_ = 0, last_port_ = 0;       // of the ports chosen here; 0: the kernel chooses
  std::map<std::string, std::vector<PortHold>> held_;  // by the endpoint's id and MAC
};

}  // namespace user_network
