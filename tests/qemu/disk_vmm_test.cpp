// SPDX-License-Identifier: MIT
// Disks as a guest sees them: it boots from a chain and counts in its second sector.
#include <cstring>

#include "disk_nodes.hpp"
#include "instance_folder.hpp"
#include "qmp_client.hpp"
#include "version.hpp"
#include "vmm_fixture.hpp"

namespace anyvisor::qemu::test {
namespace {

class DiskTest : public VmmTest {
 protected:
  void SetUp() override {
    VmmTest::SetUp();
    fs::copy_file(ANYVISOR_GUESTS "/disk.img", base());
  }
  std::string base() const { return root_ / "base.img"; }
  std::string disk(const std::string& name) const { return root_ / name; }
  std::string helper(std::vector<std::string> argv) {
    argv[0] = find_binary(argv[0]).path;
    sdk::Process process;
    process.argv = std::move(argv);
    json::Document reply;
    reply.Parse(host_->get().run(TestContext().get(), process));
    EXPECT_EQ(json::int_or(reply, "status", -1), 0) << json::string_or(reply, "output");
    return json::string_or(reply, "output");
  }
  void make_overlay(const std::string& name, const std::string& backing, const std::string& format) {
    helper({"qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", backing, disk(name)});
  }
  // The guest's number in a file of the chain, as a reader of that file and what is below it sees it.
  std::uint32_t count_in(const std::string& name) {
    helper({"qemu-img", "convert", "-U", "-O", "raw", disk(name), disk("flat")});
    std::ifstream file(disk("flat"), std::ios::binary);
    std::uint32_t number = 0;
    file.seekg(512);
    file.read(reinterpret_cast<char*>(&number), sizeof number);
    return number;
  }
  std::string chain_of(const std::vector<std::string>& names) const {
    std::string links;
    for (const auto& name : names) links += R"({"path":")" + disk(name) + R"(","format":"qcow2"},)";
    return R"(,"disks":[{"id":"root","path":")" + disk(names.front()) + R"(","format":"qcow2","chain":[)" + links +
           R"({"path":")" + base() + R"(","format":"raw"}]}])";
  }
  std::size_t dots() const {
    std::string text = console();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '.'));
  }
  static constexpr const char* bios = R"({"method":"firmware","firmware":"bios"})";
};

TEST_F(DiskTest, BootsFromAChainAndWritesToItsTopOnly) {
  make_overlay("middle.qcow2", base(), "raw");
  make_overlay("top.qcow2", disk("middle.qcow2"), "qcow2");
  attach(document_booting(bios, chain_of({"top.qcow2", "middle.qcow2"})));
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  ASSERT_TRUE(soon([&] { return dots() >= 5; })) << console() << read_text(folder_ / "logs/vmm.log");
  EXPECT_EQ(console().substr(0, 5), "disk\n");
  EXPECT_EQ(console().find('!'), std::string::npos) << "the guest could not read or write";
  EXPECT_EQ(state_of(call(&sdk::Machine::terminate)), "stopped");
  ASSERT_TRUE(host_->vmm_ends_within(5s));
  EXPECT_GE(count_in("top.qcow2"), 5u);
  EXPECT_EQ(count_in("middle.qcow2"), 0u);
}

TEST_F(DiskTest, TheHeadersBackingFileIsNotWhatIsOpened) {
  make_overlay("top.qcow2", base(), "raw");
  helper({"qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "/nowhere/at-all", disk("top.qcow2")});
  attach(document_booting(bios, chain_of({"top.qcow2"})));
  EXPECT_EQ(state_of(call(&sdk::Machine::create)), "created");
  call(&sdk::Machine::boot);
  EXPECT_TRUE(soon([&] { return dots() >= 1; })) << console();
}

TEST_F(DiskTest, ALiveSnapshotMovesTheGuestToTheOverlay) {
  make_overlay("top.qcow2", base(), "raw");
  attach(document_booting(bios, chain_of({"top.qcow2"})));
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  ASSERT_TRUE(soon([&] { return dots() >= 3; })) << console();
  for (const char* name : {"first.qcow2", "second.qcow2"}) {
    const std::string backing = name == std::string("first.qcow2") ? "top.qcow2" : "first.qcow2";
    make_overlay(name, disk(backing), "qcow2");
    json::Document reply = call(&sdk::Machine::snapshot_disk,
                                R"({"disk":"root","overlay":{"path":")" + disk(name) + R"(","format":"qcow2"}})");
    EXPECT_EQ(state_of(reply), "running");
    const std::uint32_t frozen = count_in(backing);
    const std::size_t before = dots();
    ASSERT_TRUE(soon([&] { return dots() >= before + 3; })) << "the guest stands still after the snapshot";
    EXPECT_EQ(count_in(backing), frozen) << "the frozen file was written to";
  }
  EXPECT_EQ(state_of(call(&sdk::Machine::terminate)), "stopped");
  ASSERT_TRUE(host_->vmm_ends_within(5s));
  EXPECT_GT(count_in("second.qcow2"), count_in("first.qcow2"));
  EXPECT_GT(count_in("first.qcow2"), count_in("top.qcow2"));
}

// A plugin-host that was killed in between has left QEMU with the overlay open, or with its file only.
TEST_F(DiskTest, AHalfDoneSnapshotIsCompletedByTheNext) {
  make_overlay("top.qcow2", base(), "raw");
  const std::string machine = document_booting(bios, chain_of({"top.qcow2"}));
  attach(machine);
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  ASSERT_TRUE(soon([&] { return dots() >= 3; })) << console();
  std::string backing = "top.qcow2";
  for (const bool with_format : {false, true}) {
    const std::string name = with_format ? "second.qcow2" : "first.qcow2";
    make_overlay(name, disk(backing), "qcow2");
    machine_.reset();
    {
      const std::string node = with_format ? "overlay9" : "overlay7";
      TestContext context;
      QmpClient earlier(QmpConnection(InstanceFolder(folder_.string()).connect(qmp_socket)));
      earlier.negotiate();
      earlier.execute(context.get(), "blockdev-add", protocol_node(disk(name), node + "-file", false));
      if (with_format) earlier.execute(context.get(), "blockdev-add", overlay_node({disk(name), "qcow2"}, node));
    }
    attach(machine);
    EXPECT_EQ(state_of(call(&sdk::Machine::adopt, R"({"process":{"pid":1}})")), "running");
    const std::string request = R"({"disk":"root","overlay":{"path":")" + disk(name) + R"("}})";
    json::Document reply = call(&sdk::Machine::snapshot_disk, request);
    EXPECT_TRUE(json::bool_or(reply, "switched", false));
    EXPECT_FALSE(json::bool_or(call(&sdk::Machine::snapshot_disk, request), "switched", true)) << "done twice";
    const std::uint32_t frozen = count_in(backing);
    const std::size_t before = dots();
    ASSERT_TRUE(soon([&] { return dots() >= before + 3; })) << "the guest stands still after the snapshot";
    EXPECT_EQ(count_in(backing), frozen) << "the frozen file was written to";
    backing = name;
  }
}

TEST_F(DiskTest, AFailedSnapshotLeavesTheGuestWhereItWas) {
  make_overlay("top.qcow2", base(), "raw");
  attach(document_booting(bios, chain_of({"top.qcow2"})));
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  std::ofstream(disk("broken.qcow2")) << "no qcow2";
  const std::string broken = R"({"disk":"root","overlay":{"path":")" + disk("broken.qcow2") + R"(","format":"qcow2"}})";
  EXPECT_THROW(call(&sdk::Machine::snapshot_disk, broken), sdk::Failure);
  EXPECT_THROW(
      call(&sdk::Machine::snapshot_disk, R"({"disk":"other","overlay":{"path":")" + disk("top.qcow2") + R"("}})"),
      sdk::Failure);
  EXPECT_TRUE(soon([&] { return dots() >= 2; }));
  make_overlay("good.qcow2", disk("top.qcow2"), "qcow2");
  EXPECT_EQ(state_of(call(&sdk::Machine::snapshot_disk,
                          R"({"disk":"root","overlay":{"path":")" + disk("good.qcow2") + R"(","format":"qcow2"}})")),
            "running");
}

TEST_F(DiskTest, ADiskInUseIsBusy) {
  make_overlay("top.qcow2", base(), "raw");
  attach(document_booting(bios, chain_of({"top.qcow2"})));
  call(&sdk::Machine::create);
  TestHost other(folder_.string());
  QemuBackend backend(other.get(), TestContext().get(), R"({"accelerator":"tcg"})");
  auto second = backend.attach(TestContext().get(), document_booting(bios, chain_of({"top.qcow2"})));
  try {
    second->create(TestContext().get(), "{}");
    FAIL() << "two machines write to one disk";
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_BUSY) << failure.what();
  }
}

TEST_F(DiskTest, AMissingFileIsNamed) {
  attach(document_booting(bios, chain_of({"gone.qcow2"})));
  try {
    call(&sdk::Machine::create);
    FAIL();
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_NOT_FOUND);
    EXPECT_STREQ(failure.view().field, "/disks/0");
  }
  EXPECT_TRUE(host_->last_argv.empty()) << "QEMU was started";
}

TEST_F(DiskTest, MemoryMayBeAFile) {
  attach(
      R"({"id":"i","name":"probe","folder":")" + folder_.string() +
      R"(","cpus":1,"memory":{"size":33554432,"backing":"file"},"boot":{"method":"kernel","kernel":")" ANYVISOR_GUESTS
      R"(/tiny.elf"}})");
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  EXPECT_TRUE(soon([&] { return lines() >= 1; }));
  EXPECT_THAT(descriptors_of_vmm()[7], testing::StartsWith(folder_.string() + "/#"));
}

}  // namespace
}  // namespace anyvisor::qemu::test
