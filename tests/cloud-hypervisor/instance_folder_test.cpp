// SPDX-License-Identifier: MIT
#include "instance_folder.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <anyvisor/plugin.hpp>
#include <vector>

#include "temporary_folder.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

anyvisor_status refusal_to_connect(const InstanceFolder& folder, std::vector<Descriptor>& connected) {
  try {
    connected.push_back(folder.connect_at_once(api_socket));
  } catch (const sdk::Failure& failure) {
    return failure.status();
  }
  return ANYVISOR_OK;
}

TEST(CloudHypervisorFolder, AVmmThatLooksAtNothingKeepsNobodyWaiting) {
  const test::TemporaryFolder root;
  const InstanceFolder folder(root.path());
  std::vector<Descriptor> connected;
  EXPECT_EQ(refusal_to_connect(folder, connected), ANYVISOR_UNAVAILABLE);
  Descriptor listener = folder.listen(api_socket);
  anyvisor_status status = ANYVISOR_OK;
  for (int i = 0; i < 100 && status == ANYVISOR_OK; ++i) status = refusal_to_connect(folder, connected);
  EXPECT_EQ(status, ANYVISOR_TIMEOUT);
  EXPECT_GT(connected.size(), 8u);
  listener.reset();
  EXPECT_EQ(refusal_to_connect(folder, connected), ANYVISOR_UNAVAILABLE);
  listener = folder.listen(api_socket);  // what a dead VMM left is replaced
  EXPECT_EQ(refusal_to_connect(folder, connected), ANYVISOR_OK);
}

TEST(CloudHypervisorFolder, TheConsolesLogIsAppendedTo) {
  const test::TemporaryFolder root;
  const InstanceFolder folder(root.path());
  for (const char* text : {"one", "two"}) {
    const Descriptor log = folder.open_console_log();
    ASSERT_EQ(::write(log.get(), text, 3), 3);
  }
  EXPECT_EQ(root.read("logs/console.log"), "onetwo");
}

TEST(CloudHypervisorFolder, MarkersComeAndGo) {
  const test::TemporaryFolder root;
  const InstanceFolder folder(root.path());
  EXPECT_FALSE(folder.has(booted_marker));
  folder.make_marker(booted_marker);
  folder.make_marker(booted_marker);
  EXPECT_TRUE(folder.has(booted_marker));
  folder.remove(booted_marker);
  folder.remove(booted_marker);
  EXPECT_FALSE(folder.has(booted_marker));
  EXPECT_THROW(InstanceFolder(root / "missing"), sdk::Failure);
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
