// SPDX-License-Identifier: MIT
// The C++ layer over the ABI: what it makes of exceptions, of replies and of the plugin's description.
#include <gtest/gtest.h>

#include <anyvisor/plugin.hpp>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

namespace anyvisor::sdk {
namespace {

// A host's side of one call: keeps copies of what fail() was given, as the contract says that a host does.
struct Caller {
  anyvisor_context context{};
  int failures = 0;
  bool cancel = false;
  anyvisor_status status = ANYVISOR_OK;
  std::string message;
  std::optional<std::string> field, hint;
  int retry = -1;
  std::uint32_t error_size = 0;

  Caller() {
    context.struct_size = sizeof context;
    context.cancel_fd = -1;
    context.host_data = this;
    context.is_cancelled = [](const anyvisor_context* self) { return of(self).cancel ? 1 : 0; };
    context.progress = [](const anyvisor_context*, const char*, std::uint64_t, std::uint64_t) {};
    context.fail = [](const anyvisor_context* self, const anyvisor_error* error) {
      Caller& caller = of(self);
      ++caller.failures;
      caller.error_size = error->struct_size;
      caller.status = error->status;
      caller.message = error->message;
      if (error->field) caller.field = error->field;
      if (error->hint) caller.hint = error->hint;
      caller.retry = error->retry;
      return error->status;
    };
  }
  static Caller& of(const anyvisor_context* self) { return *static_cast<Caller*>(self->host_data); }
};

TEST(Guarded, SaysNothingWhenAllIsWell) {
  Caller caller;
  EXPECT_EQ(guarded(&caller.context, [] {}), ANYVISOR_OK);
  EXPECT_EQ(caller.failures, 0);
}

TEST(Guarded, HandsAWholeFailureOver) {
  Caller caller;
  auto status = guarded(&caller.context, [] {
    throw Failure(ANYVISOR_NOT_FOUND, "no such image: x").hint("look at the list").field("/image").retry();
  });
  EXPECT_EQ(status, ANYVISOR_NOT_FOUND);
  EXPECT_EQ(caller.failures, 1);
  EXPECT_EQ(caller.message, "no such image: x");
  EXPECT_EQ(caller.field, "/image");
  EXPECT_EQ(caller.hint, "look at the list");
  EXPECT_EQ(caller.retry, 1);
  EXPECT_EQ(caller.error_size, sizeof(anyvisor_error));
}

TEST(Guarded, LeavesOutWhatTheFailureDoesNotHave) {
  Caller caller;
  EXPECT_EQ(guarded(&caller.context, [] { throw declined("not mine"); }), ANYVISOR_DECLINED);
  EXPECT_EQ(caller.field, std::nullopt);
  EXPECT_EQ(caller.hint, std::nullopt);
  EXPECT_EQ(caller.retry, 0);
}

TEST(Guarded, TurnsAnyOtherExceptionIntoInternal) {
  Caller caller;
  EXPECT_EQ(guarded(&caller.context, [] { throw std::runtime_error("disk on fire"); }), ANYVISOR_INTERNAL);
  EXPECT_EQ(caller.message, "disk on fire");
  Caller other;
  EXPECT_EQ(guarded(&other.context, [] { throw 42; }), ANYVISOR_INTERNAL);
  EXPECT_EQ(other.failures, 1);
  EXPECT_NE(other.message.find("no std::exception"), std::string::npos);
}

TEST(Guarded, DoesNotReportWhatAHostServiceHasReported) {
  Caller caller;
  EXPECT_EQ(guarded(&caller.context, [] { throw Host::Recorded{ANYVISOR_EXHAUSTED}; }), ANYVISOR_EXHAUSTED);
  EXPECT_EQ(caller.failures, 0);
}

TEST(ContextOfACall, TellsCancelledFromLate) {
  Caller caller;
  Context context(&caller.context);
  EXPECT_NO_THROW(context.check());
  EXPECT_EQ(context.remaining(), std::chrono::hours(24));
  caller.cancel = true;
  EXPECT_EQ(guarded(&caller.context, [&] { context.check(); }), ANYVISOR_CANCELLED);
  caller.context.deadline_ns = 1;
  EXPECT_EQ(context.remaining(), std::chrono::milliseconds(0));
  EXPECT_EQ(guarded(&caller.context, [&] { context.check(); }), ANYVISOR_TIMEOUT);
}

struct LittleNetwork : Network {
  LittleNetwork(Host, const Context&, std::string_view settings) {
    if (settings == R"({"broken":true})") throw Failure(ANYVISOR_UNAVAILABLE, "no network today");
  }
  std::string capabilities(const Context&, std::string_view) override { return R"({"capabilities":{}})"; }
  std::string acquire(const Context&, std::string_view request) override { return "acquired " + std::string(request); }
  std::string adopt(const Context&, std::string_view) override { throw std::logic_error("adopt"); }
  std::string release(const Context&, std::string_view) override { return "{}"; }
};

struct LittleBackend : Backend {
  LittleBackend(Host, const Context&, std::string_view) {}
  std::string capabilities(const Context&, std::string_view) override { return R"({"capabilities":{}})"; }
  struct LittleMachine : Machine {
    std::string answer(const char* state) { return std::string(R"({"state":")") + state + "\"}"; }
    std::string create(const Context&, std::string_view) override { return answer("created"); }
    std::string adopt(const Context&, std::string_view) override { return answer("running"); }
    std::string boot(const Context&, std::string_view) override { return answer("running"); }
    std::string shutdown(const Context&, std::string_view) override { return answer("running"); }
    std::string terminate(const Context&, std::string_view) override { return answer("stopped"); }
    std::string state(const Context&, std::string_view) override { return answer("running"); }
  };
  std::unique_ptr<Machine> attach(const Context&, std::string_view) override {
    return std::make_unique<LittleMachine>();
  }
};

}  // namespace
}  // namespace anyvisor::sdk

ANYVISOR_PLUGIN((anyvisor::sdk::Description{"little", "1.2.3", "A test", "MIT", nullptr}),
                anyvisor::sdk::network<anyvisor::sdk::LittleNetwork>(),
                anyvisor::sdk::backend<anyvisor::sdk::LittleBackend>())

namespace anyvisor::sdk {
namespace {

TEST(Entry, DescribesThePlugin) {
  const anyvisor_plugin* plugin = anyvisor_plugin_entry_v0();
  ASSERT_NE(plugin, nullptr);
  EXPECT_EQ(plugin, anyvisor_plugin_entry_v0());
  EXPECT_EQ(plugin->struct_size, sizeof(anyvisor_plugin));
  EXPECT_EQ(plugin->abi_major, ANYVISOR_ABI_MAJOR);
  EXPECT_EQ(plugin->abi_minor, ANYVISOR_ABI_MINOR);
  EXPECT_STREQ(plugin->id, "little");
  EXPECT_STREQ(plugin->version, "1.2.3");
  EXPECT_EQ(plugin->settings_schema, nullptr);
  ASSERT_STREQ(plugin->interfaces[0], ANYVISOR_NETWORK_ID);
  ASSERT_STREQ(plugin->interfaces[1], ANYVISOR_BACKEND_ID);
  EXPECT_EQ(plugin->interfaces[2], nullptr);
  EXPECT_EQ(plugin->find("anyvisor.network/draft-99"), nullptr);
  EXPECT_EQ(plugin->find(ANYVISOR_IMAGE_STORE_ID), nullptr);
}

TEST(Entry, TablesCarryTheirOwnSizeAndNoHole) {
  const auto* table =
      static_cast<const anyvisor_backend_draft1*>(anyvisor_plugin_entry_v0()->find(ANYVISOR_BACKEND_ID));
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->struct_size, sizeof(anyvisor_backend_draft1));
  // Every member after the two numbers is a pointer to a function; the C++ layer fills in all of them.
  for (std::size_t at = 8; at < sizeof *table; at += sizeof(void*)) {
    void* pointer = nullptr;
    std::memcpy(&pointer, reinterpret_cast<const char*>(table) + at, sizeof pointer);
    EXPECT_NE(pointer, nullptr) << "offset " << at;
  }
}

TEST(Entry, CallsReachTheObject) {
  const auto* table =
      static_cast<const anyvisor_network_draft1*>(anyvisor_plugin_entry_v0()->find(ANYVISOR_NETWORK_ID));
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->struct_size, sizeof(anyvisor_network_draft1));
  Caller caller;
  anyvisor_host host{};
  host.struct_size = sizeof host;
  anyvisor_network* network = nullptr;
  EXPECT_EQ(table->open(&host, &caller.context, R"({"broken":true})", &network), ANYVISOR_UNAVAILABLE);
  EXPECT_EQ(network, nullptr);
  EXPECT_EQ(caller.message, "no network today");
  ASSERT_EQ(table->open(&host, &caller.context, nullptr, &network), ANYVISOR_OK);
  const char* reply = nullptr;
  ASSERT_EQ(table->acquire(network, &caller.context, "{\"a\":1}", &reply), ANYVISOR_OK);
  EXPECT_STREQ(reply, "acquired {\"a\":1}");
  EXPECT_EQ(table->adopt(network, &caller.context, "{}", &reply), ANYVISOR_INTERNAL);
  EXPECT_EQ(caller.message, "adopt");
  table->close(network);
}

TEST(Entry, AMachineThatCannotSaysSo) {
  const auto* table =
      static_cast<const anyvisor_backend_draft1*>(anyvisor_plugin_entry_v0()->find(ANYVISOR_BACKEND_ID));
  Caller caller;
  anyvisor_host host{};
  anyvisor_backend* backend = nullptr;
  anyvisor_machine* machine = nullptr;
  ASSERT_EQ(table->open(&host, &caller.context, "{}", &backend), ANYVISOR_OK);
  ASSERT_EQ(table->attach(backend, &caller.context, "{}", &machine), ANYVISOR_OK);
  const char* reply = nullptr;
  for (auto operation : {table->save, table->restore, table->fork, table->pause, table->resume, table->snapshot_disk,
                         table->attach_device, table->detach_device, table->resize}) {
    caller.message.clear();
    EXPECT_EQ(operation(machine, &caller.context, "{}", &reply), ANYVISOR_UNSUPPORTED);
    EXPECT_FALSE(caller.message.empty());
  }
  EXPECT_EQ(table->event_fd(machine), -1);
  ASSERT_EQ(table->boot(machine, &caller.context, "{}", &reply), ANYVISOR_OK);
  EXPECT_STREQ(reply, R"({"state":"running"})");
  table->detach(machine);
  table->close(backend);
}

}  // namespace
}  // namespace anyvisor::sdk
