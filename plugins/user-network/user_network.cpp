// SPDX-License-Identifier: MIT
#include "user_network.hpp"

#include <arpa/inet.h>
#include <sys/random.h>

#include <cerrno>
#include <fstream>

namespace user_network {

namespace json = anyvisor::json;
using anyvisor::sdk::Context;
using anyvisor::sdk::Failure;

namespace {

constexpr const char* settings_schema = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "default_host_address": {
      "description": "Where a port is published that names no address of this host. Default: 127.0.0.1.",
      "type": "string", "format": "ipv4"
    },
    "port_range": {
      "description": "Ports to choose from when any free one will do. Default: the kernel chooses.",
      "type": "object",
      "additionalProperties": false,
      "required": ["first", "last"],
      "properties": {
        "first": {"description": "The lowest.", "type": "integer", "minimum": 1, "maximum": 65535},
        "last": {"description": "The highest.", "type": "integer", "minimum": 1, "maximum": 65535}
      }
    }
  }
})";

json::Document parse(std::string_view text) {
  json::Document document;
  if (document.Parse(text.data(), text.size()).HasParseError() || !document.IsObject())
    throw Failure(ANYVISOR_INVALID_ARGUMENT, "the request is no JSON object");
  return document;
}

const json::Value& endpoint_of(const json::Value& request) {
  const json::Value* endpoint = json::object_or_null(request, "endpoint");
  if (!endpoint) throw Failure(ANYVISOR_INVALID_ARGUMENT, "the request has no endpoint").field("/endpoint");
  return *endpoint;
}

std::string key_of(const json::Value& endpoint) {
  return json::string_or(endpoint, "id") + " " + json::string_or(endpoint, "mac");
}

std::string pointer(std::size_t index, const char* member) {
  return "/endpoint/publish/" + std::to_string(index) + "/" + member;
}

std::uint32_t read_address(const std::string& text, const std::string& field) {
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return v4.s_addr;
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1)
    throw Failure(ANYVISOR_UNSUPPORTED,
                  "the address " + text + " is IPv6: user-mode networking publishes ports on IPv4 only")
        .field(field)
        .hint("use 127.0.0.1, or 0.0.0.0 for every IPv4 address of this machine");
  throw Failure(ANYVISOR_INVALID_ARGUMENT, "\"" + text + "\" is not an IPv4 address")
      .field(field)
      .hint("use 127.0.0.1, or 0.0.0.0 for every IPv4 address of this machine");
}

std::uint16_t read_port(const json::Value& entry, const char* member, const std::string& field) {
  const auto port = json::uint_or(entry, member, 0);
  if (port > 65535) throw Failure(ANYVISOR_INVALID_ARGUMENT, std::to_string(port) + " is no port number").field(field);
  return static_cast<std::uint16_t>(port);
}

unsigned first_unprivileged_port() {
  unsigned port = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> port;
  return port;
}

Failure failure_of(int error, const std::string& address, std::uint16_t port, std::size_t index) {
  const std::string place = "port " + std::to_string(port) + " on " + address;
  const std::string field = pointer(index, "host_port");
  switch (error) {
    case EADDRINUSE:
      if (port == 0) return Failure(ANYVISOR_EXHAUSTED, "no port on " + address + " is free").field(field);
      return Failure(ANYVISOR_UNAVAILABLE, place + " is in use")
          .field(field)
          .hint("choose another with --publish, or 0 for any free one")
          .retry();
    case EACCES:
      return Failure(ANYVISOR_UNAVAILABLE,
                     place + " needs privileges: it is below " + std::to_string(first_unprivileged_port()))
          .field(field)
          .hint("choose a higher one with --publish, or 0 for any free one");
    case EADDRNOTAVAIL:
      return Failure(ANYVISOR_UNAVAILABLE, "the address " + address + " is none of this machine's")
          .field(pointer(index, "host_address"))
          .hint("use 127.0.0.1, or 0.0.0.0 for every IPv4 address of this machine");
    default:
      return Failure(ANYVISOR_UNAVAILABLE, place + " cannot be used: " + std::strerror(error)).field(field);
  }
}

}  // namespace

UserNetwork::UserNetwork(anyvisor::sdk::Host, const Context&, std::string_view text) {
  const json::Document settings = parse(text);
  default_address_ = json::string_or(settings, "default_host_address", default_address_);
  read_address(default_address_, "/default_host_address");
  if (const json::Value* range = json::object_or_null(settings, "port_range")) {
    first_port_ = read_port(*range, "first", "/port_range/first");
    last_port_ = read_port(*range, "last", "/port_range/last");
    if (first_port_ == 0 || first_port_ > last_port_)
      throw Failure(ANYVISOR_INVALID_ARGUMENT,
                    "the port range " + std::to_string(first_port_) + " to " + std::to_string(last_port_) + " is empty")
          .field("/port_range");
  }
}

std::string UserNetwork::capabilities(const Context&, std::string_view) {
  return R"({"capabilities":{}})";
}

std::vector<UserNetwork::Wish> UserNetwork::read_wishes(const json::Value& endpoint) const {
  std::vector<Wish> wishes;
  const json::Value* publish = json::array_or_null(endpoint, "publish");
  if (!publish) return wishes;
  for (const auto& entry : publish->GetArray()) {
    const std::size_t index = wishes.size();
    const std::string protocol = json::string_or(entry, "protocol", "tcp");
    if (protocol != "tcp" && protocol != "udp")
      throw Failure(ANYVISOR_INVALID_ARGUMENT, "\"" + protocol + "\" is no protocol: tcp or udp")
          .field(pointer(index, "protocol"));
    Wish wish{protocol == "tcp" ? Protocol::tcp : Protocol::udp,
              json::string_or(entry, "host_address", default_address_), 0, 0, 0};
    wish.address = read_address(wish.address_text, pointer(index, "host_address"));
    wish.port = read_port(entry, "host_port", pointer(index, "host_port"));
    wish.guest = read_port(entry, "guest_port", pointer(index, "guest_port"));
    if (wish.guest == 0)
      throw Failure(ANYVISOR_INVALID_ARGUMENT, "a published port needs a port in the guest, 1 to 65535")
          .field(pointer(index, "guest_port"));
    for (const auto& other : wishes)
      if (wish.port != 0 && wish.port == other.port && wish.protocol == other.protocol &&
          (wish.address == other.address || wish.address == INADDR_ANY || other.address == INADDR_ANY))
        throw Failure(ANYVISOR_INVALID_ARGUMENT,
                      "port " + std::to_string(wish.port) + " on " + wish.address_text + " is published twice")
            .field(pointer(index, "host_port"));
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

PortHold UserNetwork::hold(const Wish& wish) const {
  if (wish.port != 0 || first_port_ == 0) return {wish.protocol, wish.address, wish.port};
  // From a random place on, so that two that choose at the same time seldom meet.
  const unsigned count = last_port_ - first_port_ + 1U;
  unsigned start = 0;
  if (::getrandom(&start, sizeof start, 0) < 0) start = 0;
  for (unsigned i = 0;; ++i) {
    PortHold port(wish.protocol, wish.address, static_cast<std::uint16_t>(first_port_ + (start % count + i) % count));
    if (port.held() || port.error() != EADDRINUSE || i + 1 == count) return port;
  }
}

std::string UserNetwork::acquire(const Context& context, std::string_view text) {
  json::Document reply;
  reply.CopyFrom(endpoint_of(parse(text)), reply.GetAllocator());
  if (const std::string mode = json::string_or(reply, "mode", "user"); mode != "user")
    throw Failure(ANYVISOR_UNSUPPORTED, "this network has the mode \"user\" only, not \"" + mode + "\"")
        .field("/endpoint/mode");
  const std::vector<Wish> wishes = read_wishes(reply);
  const std::string key = key_of(reply);
  held_.erase(key);
  std::vector<PortHold> holds;
  json::Value publish(rapidjson::kArrayType);
  // Fixed ports first: one that is chosen freely must not take a port that comes later in the list.
  std::vector<std::uint16_t> ports(wishes.size());
  for (const bool fixed : {true, false})
    for (std::size_t i = 0; i < wishes.size(); ++i) {
      if ((wishes[i].port != 0) != fixed) continue;
      context.check();
      PortHold port = hold(wishes[i]);
      if (!port.held()) throw failure_of(port.error(), wishes[i].address_text, wishes[i].port, i);
      ports[i] = port.port();
      holds.push_back(std::move(port));
    }
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    json::Value entry(rapidjson::kObjectType);
    json::set(reply, entry, "protocol", wishes[i].protocol == Protocol::tcp ? "tcp" : "udp");
    json::set(reply, entry, "host_address", wishes[i].address_text);
    json::set(reply, entry, "host_port", static_cast<unsigned>(ports[i]));
    json::set(reply, entry, "guest_port", static_cast<unsigned>(wishes[i].guest));
    publish.PushBack(std::move(entry), reply.GetAllocator());
  }
  json::set(reply, reply, "plugin", "user-network");
  json::set(reply, reply, "mode", "user");
  json::set(reply, reply, "restrict", json::bool_or(reply, "restrict", false));
  json::set_value(reply, reply, "publish", std::move(publish));
  json::set_value(reply, reply, "addresses", json::Value(rapidjson::kArrayType));
  held_[key] = std::move(holds);
  return json::render(reply);
}

std::string UserNetwork::adopt(const Context&, std::string_view text) {
  const json::Document request = parse(text);
  const json::Value& endpoint = endpoint_of(request);
  std::vector<PortHold> holds;
  for (const auto& wish : read_wishes(endpoint)) {
    // The VMM listens already, which holds the port as well: a failure here is the usual case.
    if (wish.port == 0) continue;
    PortHold port(wish.protocol, wish.address, wish.port);
    if (port.held()) holds.push_back(std::move(port));
  }
  held_[key_of(endpoint)] = std::move(holds);
  return json::render(endpoint);
}

std::string UserNetwork::release(const Context&, std::string_view text) {
  const json::Document request = parse(text);
  held_.erase(key_of(endpoint_of(request)));
  return "{}";
}

}  // namespace user_network

ANYVISOR_PLUGIN((anyvisor::sdk::Description{"user-network", "0.1.0",
                                            "User-mode networking with published ports, without privileges", "MIT",
                                            user_network::settings_schema}),
                anyvisor::sdk::network<user_network::UserNetwork>())
