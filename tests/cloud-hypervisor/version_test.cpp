// SPDX-License-Identifier: MIT
#include "version.hpp"

#include <gtest/gtest.h>

namespace anyvisor::cloud_hypervisor {
namespace {

TEST(CloudHypervisorVersion, IsReadFromWhatIsPrinted) {
  EXPECT_EQ(parse_version("cloud-hypervisor v53.0\n"), (Version{53, 0}));
  EXPECT_EQ(parse_version("cloud-hypervisor v53.0-dirty\nMigration Protocol Versions: 0\n"), (Version{53, 0}));
  EXPECT_EQ(parse_version("v51.1-12-gabcdef0"), (Version{51, 1}));
  EXPECT_EQ(parse_version("40.0.0"), (Version{40, 0}));
  for (const char* none : {"", "cloud-hypervisor", "v53", "v.5", "cloud-hypervisor\nv53.0"})
    EXPECT_EQ(parse_version(none), Version{}) << none;
}

TEST(CloudHypervisorVersion, GatesWhatEachCan) {
  EXPECT_EQ(abilities_of({40, 0}), Abilities{});
  EXPECT_TRUE(abilities_of({41, 0}).landlock);
  EXPECT_FALSE(abilities_of({50, 2}).backing_files_option);
  EXPECT_TRUE(abilities_of({51, 0}).backing_files_option);
  EXPECT_TRUE(abilities_of({51, 1}).named_image_types);
  EXPECT_FALSE(abilities_of({51, 2}).stays_after_power_off);
  EXPECT_TRUE(abilities_of({52, 0}).stays_after_power_off);
  EXPECT_TRUE(abilities_of({52, 0}).on_demand_restore);
  EXPECT_FALSE(abilities_of({52, 0}).relative_backing_names);
  EXPECT_TRUE(abilities_of({53, 0}).relative_backing_names);
  EXPECT_EQ(abilities_of({60, 0}), abilities_of({53, 0}));
}

TEST(CloudHypervisorVersion, TooOldIsRefused) {
  EXPECT_NO_THROW(require_supported({40, 0}, "x"));
  EXPECT_NO_THROW(require_supported({99, 0}, "x"));
  EXPECT_THROW(require_supported({39, 2}, "x"), sdk::Failure);
}

TEST(CloudHypervisorBinary, ThatIsNotThereIsToldSo) {
  try {
    find_binary("/nowhere/cloud-hypervisor");
    FAIL();
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_UNAVAILABLE);
  }
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
