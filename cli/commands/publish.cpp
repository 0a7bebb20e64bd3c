// SPDX-License-Identifier: MIT
#include "commands/publish.hpp"

#include <charconv>

#include "errors.hpp"

namespace anyvisor::cli {

namespace {

UsageError refuse(const std::string& text, const std::string& why) {
  return {"--publish " + text + ": " + why,
          "write HOST:GUEST, for instance 8080:80, or ADDRESS:HOST:GUEST; HOST 0 takes any free port"};
}

std::uint16_t read_port(const std::string& text, const std::string& port, const std::string& what) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty()) throw refuse(text, "the " + what + " port is missing");
  if (error != std::errc() || end != port.data() + port.size() || number > 65535)
    throw refuse(text, "\"" + port + "\" is no port number");
  return static_cast<std::uint16_t>(number);
}

}  // namespace

PublishedPort parse_publish(const std::string& text) {
  PublishedPort port;
  std::string rest = text;
  if (const auto slash = rest.rfind('/'); slash != std::string::npos) {
    port.protocol = rest.substr(slash + 1);
    rest.resize(slash);
    if (port.protocol != "tcp" && port.protocol != "udp")
      throw refuse(text, "\"" + port.protocol + "\" is no protocol, tcp or udp is");
  }
  const auto guest = rest.rfind(':');
  if (guest == std::string::npos) throw refuse(text, "it names one port, and two are needed");
  port.guest_port = read_port(text, rest.substr(guest + 1), "guest");
  if (port.guest_port == 0) throw refuse(text, "the guest port must be 1 to 65535");
  rest.resize(guest);
  if (const auto host = rest.rfind(':'); host != std::string::npos) {
    port.host_address = rest.substr(0, host);
    rest.erase(0, host + 1);
    if (port.host_address.starts_with("[") && port.host_address.ends_with("]"))
      port.host_address = port.host_address.substr(1, port.host_address.size() - 2);
    if (port.host_address.empty()) throw refuse(text, "the address is empty");
  }
  port.host_port = read_port(text, rest, "host");
  return port;
}

std::string describe(const PublishedPort& port) {
  const bool v6 = port.host_address.find(':') != std::string::npos;
  const std::string address = v6 ? "[" + port.host_address + "]" : port.host_address;
  return address + ":" + (port.host_port == 0 ? "any" : std::to_string(port.host_port)) + " -> " +
         std::to_string(port.guest_port) + "/" + port.protocol;
}

}  // namespace anyvisor::cli
