// SPDX-License-Identifier: MIT
// anyvisor resolve: where an instance is reached, for scripts and proxies.
#include <anyvisor/json.hpp>
#include <array>

#include "arguments.hpp"
#include "command.hpp"
#include "commands/instances.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

// "127.0.0.1:8080", "[::1]:8080".
std::string place(const PublishedPort& port) {
  const bool v6 = port.host_address.find(':') != std::string::npos;
  return (v6 ? "[" + port.host_address + "]" : port.host_address) + ":" + std::to_string(port.host_port);
}

std::vector<PublishedPort> open_ports(const InstanceInfo& info) {
  std::vector<PublishedPort> ports;
  for (const auto& endpoint : info.endpoints)
    for (const auto& port : endpoint.publish)
      if (port.host_port != 0) ports.push_back(port);
  return ports;
}

std::vector<std::string> addresses(const InstanceInfo& info) {
  std::vector<std::string> all;
  for (const auto& endpoint : info.endpoints)
    all.insert(all.end(), endpoint.addresses.begin(), endpoint.addresses.end());
  return all;
}

void answer(const Session& session, const InstanceInfo& info) {
  json::Document document = json::make_object();
  json::set(document, document, "id", info.id);
  json::set(document, document, "name", info.name);
  json::set(document, document, "state", state_name(info.state));
  std::vector<std::string> valid;
  for (const auto& address : addresses(info)) valid.push_back(valid_utf8(address));
  json::set(document, document, "addresses", valid);
  json::Value list(rapidjson::kArrayType);
  for (const auto& port : open_ports(info)) {
    json::Value item(rapidjson::kObjectType);
    json::set(document, item, "protocol", port.protocol);
    json::set(document, item, "guest_port", unsigned{port.guest_port});
    json::set(document, item, "host_address", port.host_address);
    json::set(document, item, "host_port", unsigned{port.host_port});
    list.PushBack(item, document.GetAllocator());
  }
  json::set_value(document, document, "publish", std::move(list));
  session.answer(json::render_pretty(document));
}

// Where port `wanted` of the guest is reached from here.
std::string place_of(const InstanceInfo& info, unsigned wanted, const std::string& protocol) {
  for (const auto& port : open_ports(info))
    if (port.guest_port == wanted && port.protocol == protocol) return place(port);
  const auto all = addresses(info);
  if (!all.empty())
    return (all.front().find(':') == std::string::npos ? all.front() : "[" + all.front() + "]") + ":" +
           std::to_string(wanted);
  Error error;
  error.kind = ErrorKind::not_found;
  error.message = "nothing leads to port " + std::to_string(wanted) + "/" + protocol + " of \"" + info.name + "\"";
  error.hint = "ports are published at launch: anyvisor launch --publish HOST:" + std::to_string(wanted);
  throw Failed(std::move(error));
}

int run(Session& session, const Arguments& arguments) {
  const unsigned port = arguments.number("port", 0, 1);
  if (port > 65535) throw UsageError("--port " + std::to_string(port) + ": no port number", "give 1 to 65535");
  const std::string protocol = arguments.has("udp") ? "udp" : "tcp";
  if (arguments.has("udp") && port == 0) throw UsageError("--udp goes with --port", "");
  const InstanceInfo info = value_of(session.manager().info(arguments.positional().front()));
  if (info.vmm_pid == 0) {
    Error error;
    error.kind = ErrorKind::invalid_state;
    error.message = "\"" + info.name + "\" is reached nowhere: it is " + shown_state(info);
    error.hint = info.deleted.empty() ? "start it with 'anyvisor start " + info.name + "'"
                                      : "take it back with 'anyvisor recover " + info.name + "'";
    throw Failed(std::move(error));
  }
  if (port != 0) {
    const std::string found = place_of(info, port, protocol);
    if (session.structured())
      answer(session, info);
    else
      session.print(one_line(found) + "\n");
    return 0;
  }
  if (session.structured()) {
    answer(session, info);
    return 0;
  }
  std::string text = info.id + "\n";
  for (const auto& address : addresses(info)) text += one_line(address) + "\n";
  for (const auto& each : open_ports(info))
    text += std::to_string(each.guest_port) + "/" + each.protocol + " " + one_line(place(each)) + "\n";
  session.print(text);
  return 0;
}

constexpr std::array options{
    Option{"port", 0, "N", "Only where this port of the guest is reached, as ADDRESS:PORT"},
    Option{"udp", 0, nullptr, "With --port: the UDP port of that number, not the TCP one"},
};

constexpr const char* details =
    "Prints its id, then an address a line: those of the guest itself, where it has some that this machine reaches, "
    "and\n"
    "where its published ports are (guest's port, then ADDRESS:PORT). Fails where it does not run.\n"
    "\n"
    "  curl http://$(anyvisor resolve web --port 80)/";

}  // namespace

extern const Command resolve_command;
constinit const Command resolve_command{"Instances", "resolve", nullptr, "NAME",  "Say where an instance is reached",
                                        details,     1,         1,       options, run};

}  // namespace anyvisor::cli
