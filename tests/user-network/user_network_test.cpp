// SPDX-License-Identifier: MIT
// plugins/user-network through its ABI: complete endpoints, all ports or none, each refusal with its field.
#include <anyvisor/plugin.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <anyvisor/json.hpp>
#include <fstream>

#include "loopback.hpp"

namespace {

namespace json = anyvisor::json;
using test::Socket;
using testing::HasSubstr;

struct Network : testing::Test {
  Network() {
    context.struct_size = sizeof context;
    context.cancel_fd = -1;
    context.host_data = this;
    context.is_cancelled = [](const anyvisor_context*) -> std::int32_t { return 0; };
    context.fail = [](const anyvisor_context* c, const anyvisor_error* error) {
      auto* self = static_cast<Network*>(c->host_data);
      self->message = error->message;
      self->field = error->field ? error->field : "";
      self->hint = error->hint ? error->hint : "";
      return error->status;
    };
    host.struct_size = sizeof host;
    table = static_cast<const anyvisor_network_draft1*>(anyvisor_plugin_entry_v0()->find(ANYVISOR_NETWORK_ID));
  }
  ~Network() override { close(); }
  void close() {
    if (network) table->close(network);
    network = nullptr;
  }
  anyvisor_status open(const char* settings = "{}") {
    close();
    return table->open(&host, &context, settings, &network);
  }
  anyvisor_status acquire(const std::string& publish, const std::string& id = "net0") {
    if (!network) {
      EXPECT_EQ(open(), ANYVISOR_OK);
    }
    const std::string request = R"({"instance":{"id":"x","name":"x"},"endpoint":{"id":")" + id +
                                R"(","mac":"52:54:00:00:00:01","restrict":true,"publish":)" + publish + "}}";
    const char* text = nullptr;
    const auto status = table->acquire(network, &context, request.c_str(), &text);
    if (status == ANYVISOR_OK) endpoint = text;
    if (status == ANYVISOR_OK) reply.Parse(text);
    return status;
  }
  anyvisor_status call(anyvisor_network_call function, const std::string& request) {
    const char* text = nullptr;
    return function(network, &context, request.c_str(), &text);
  }
  std::uint16_t port(unsigned index) {
    return static_cast<std::uint16_t>(json::uint_or(reply["publish"][index], "host_port", 0));
  }

  anyvisor_context context{};
  anyvisor_host host{};
  const anyvisor_network_draft1* table = nullptr;
  anyvisor_network* network = nullptr;
  json::Document reply;
  std::string endpoint, message, field, hint;
};

std::string entry(unsigned port, unsigned guest) {
  return R"({"host_port":)" + std::to_string(port) + R"(,"guest_port":)" + std::to_string(guest) + "}";
}

TEST_F(Network, FillsInEveryPort) {
  ASSERT_EQ(acquire(R"([{"guest_port":22},{"protocol":"udp","host_address":"0.0.0.0","host_port":0,"guest_port":53}])"),
            ANYVISOR_OK)
      << message;
  EXPECT_EQ(json::string_or(reply, "id"), "net0");
  EXPECT_EQ(json::string_or(reply, "plugin"), "user-network");
  EXPECT_EQ(json::string_or(reply, "mac"), "52:54:00:00:00:01");
  EXPECT_EQ(json::string_or(reply, "mode"), "user");
  EXPECT_TRUE(json::bool_or(reply, "restrict", false));
  EXPECT_NE(port(0), 0);
  EXPECT_NE(port(1), 0);
  EXPECT_EQ(json::string_or(reply["publish"][0], "host_address"), "127.0.0.1");
  EXPECT_EQ(json::string_or(reply["publish"][0], "protocol"), "tcp");
  EXPECT_EQ(json::string_or(reply["publish"][1], "host_address"), "0.0.0.0");
  EXPECT_EQ(json::uint_or(reply["publish"][1], "guest_port", 0), 53U);
}

TEST_F(Network, HoldsUntilReleaseOrClose) {
  ASSERT_EQ(acquire("[" + entry(0, 22) + "]"), ANYVISOR_OK) << message;
  const auto first = port(0);
  EXPECT_FALSE(Socket(SOCK_STREAM).bind(first));
  EXPECT_EQ(call(table->release, R"({"endpoint":)" + endpoint + "}"), ANYVISOR_OK);
  EXPECT_TRUE(Socket(SOCK_STREAM).bind(first));
  EXPECT_EQ(call(table->release, R"({"endpoint":)" + endpoint + "}"), ANYVISOR_OK) << "what is not held";
  ASSERT_EQ(acquire("[" + entry(0, 22) + "]"), ANYVISOR_OK) << message;
  close();
  EXPECT_TRUE(Socket(SOCK_STREAM).bind(port(0)));
}

TEST_F(Network, NamesThePortThatIsInUseAndHoldsNone) {
  Socket other(SOCK_STREAM, true), spare(SOCK_STREAM);
  ASSERT_TRUE(other.bind(0) && other.listen() && spare.bind(0));
  const auto free_port = spare.port();
  spare.close();
  EXPECT_EQ(acquire("[" + entry(free_port, 80) + "," + entry(other.port(), 22) + "]"), ANYVISOR_UNAVAILABLE);
  EXPECT_EQ(message, "port " + std::to_string(other.port()) + " on 127.0.0.1 is in use");
  EXPECT_EQ(field, "/endpoint/publish/1/host_port");
  EXPECT_EQ(hint, "choose another with --publish, or 0 for any free one");
  EXPECT_TRUE(Socket(SOCK_STREAM).bind(free_port)) << "a port of the failed request is still held";
}

TEST_F(Network, RefusesBadRequests) {
  EXPECT_EQ(acquire(R"([{"guest_port":22},{"host_port":1,"guest_port":0}])"), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(field, "/endpoint/publish/1/guest_port");
  EXPECT_EQ(acquire("[" + entry(20001, 1) + "," + entry(20001, 2) + "]"), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_THAT(message, HasSubstr("published twice"));
  EXPECT_EQ(field, "/endpoint/publish/1/host_port");
  EXPECT_EQ(acquire(R"([{"host_address":"localhost","guest_port":1}])"), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(field, "/endpoint/publish/0/host_address");
  EXPECT_EQ(acquire(R"([{"host_address":"::1","guest_port":1}])"), ANYVISOR_UNSUPPORTED);
  EXPECT_THAT(message, HasSubstr("IPv4 only"));
  EXPECT_EQ(acquire(R"([{"host_address":"192.0.2.1","guest_port":1}])"), ANYVISOR_UNAVAILABLE);
  EXPECT_THAT(message, HasSubstr("none of this machine's"));
  EXPECT_EQ(acquire(R"([{"protocol":"sctp","guest_port":1}])"), ANYVISOR_INVALID_ARGUMENT);
}

TEST_F(Network, ExplainsPrivilegedPorts) {
  unsigned start = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> start;
  if (start < 2) GTEST_SKIP() << "every port is free for everybody here";
  const uid_t user = ::geteuid();
  if (user == 0 && ::seteuid(65534) != 0) GTEST_SKIP() << "cannot become another user";
  const auto status = acquire("[" + entry(start - 1, 80) + "]");
  if (user == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(status, ANYVISOR_UNAVAILABLE);
  EXPECT_THAT(message, HasSubstr("needs privileges: it is below " + std::to_string(start)));
}

TEST_F(Network, ChoosesFromTheRange) {
  Socket spare(SOCK_STREAM);
  ASSERT_TRUE(spare.bind(0));
  const auto only = std::to_string(spare.port());
  spare.close();
  ASSERT_EQ(open((R"({"port_range":{"first":)" + only + R"(,"last":)" + only + "}}").c_str()), ANYVISOR_OK) << message;
  ASSERT_EQ(acquire("[" + entry(0, 22) + "]"), ANYVISOR_OK) << message;
  EXPECT_EQ(std::to_string(port(0)), only);
  EXPECT_EQ(acquire("[" + entry(0, 22) + "]", "net1"), ANYVISOR_EXHAUSTED);
  EXPECT_THAT(message, HasSubstr("no port on 127.0.0.1 is free"));
  EXPECT_EQ(open(R"({"port_range":{"first":9,"last":8}})"), ANYVISOR_INVALID_ARGUMENT);
}

TEST_F(Network, AdoptsWhatAVmmListensOn) {
  Socket vmm(SOCK_STREAM, true);
  ASSERT_TRUE(vmm.bind(0) && vmm.listen());
  ASSERT_EQ(open(), ANYVISOR_OK);
  const std::string request =
      R"({"endpoint":{"id":"net0","plugin":"user-network","mac":"52:54:00:00:00:01","mode":"user","publish":[)" +
      entry(vmm.port(), 22) + "]}}";
  EXPECT_EQ(call(table->adopt, request), ANYVISOR_OK) << message;
  EXPECT_EQ(call(table->release, request), ANYVISOR_OK);
}

}  // namespace
