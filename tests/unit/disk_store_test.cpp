// SPDX-License-Identifier: MIT
// Disks, staging and the collection of what nothing refers to, on real files and with the real qemu-img.
#include "storage/disk_store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "image/image_catalog.hpp"
#include "instance/collect.hpp"
#include "instance/identifier.hpp"
#include "instance/instance_record.hpp"
#include "instance/staged_folder.hpp"
#include "process/spawn.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;
namespace fs = std::filesystem;

class DiskStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!find_program("qemu-img")) GTEST_SKIP() << "qemu-img is not installed";
    root_ = fs::temp_directory_path() / ("anyvisor-disks-" + new_id());
    auto home = Home::open(root_);
    ASSERT_TRUE(home) << home.error().message;
    workspace_ = std::make_unique<Workspace>(std::move(*home), "/nowhere", "/nowhere");
  }
  void TearDown() override { fs::remove_all(root_); }

  DiskStore& disks() { return workspace_->disks; }

  // A raw disk of 1 MiB, adopted as an image's disk would be.
  Disk make_base() {
    std::string file = workspace_->home.staging() + "/file";
    std::ofstream(file).close();
    fs::resize_file(file, 1 << 20);
    Disk disk{new_id(), "raw", 1 << 20, "", true, "image test", ""};
    EXPECT_TRUE(disks().adopt(file, disk));
    return disk;
  }
  void write_image(const std::string& disk) {
    ImageRecord image;
    image.id = new_id();
    image.name = "base";
    image.disk = disk;
    image.format = "raw";
    image.virtual_size = 1 << 20;
    auto folder = workspace_->home.images() + "/" + image.id;
    fs::create_directory(folder);
    std::ofstream(folder + "/image.json") << render(image);
  }

  fs::path root_;
  std::unique_ptr<Workspace> workspace_;
};

TEST_F(DiskStoreTest, OverlaysStandOnBareNamesAndSurviveAMove) {
  Disk base = make_base();
  auto overlay = disks().create_overlay(new_id(), base, 2 << 20, "instance x");
  ASSERT_TRUE(overlay) << overlay.error().message;
  auto chain = disks().chain(overlay->id);
  ASSERT_TRUE(chain);
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_EQ(chain->at(1).id, base.id);
  struct stat status {};
  ASSERT_EQ(stat(disks().path(base).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0400u);

  fs::path moved = root_.string() + "-moved";
  fs::rename(root_, moved);
  auto checked = run({{"qemu-img", "info", "--backing-chain", (moved / "disks" / overlay->file_name()).string()},
                      {},
                      {},
                      -1,
                      -1,
                      -1,
                      true,
                      "",
                      "",
                      {}},
                     std::chrono::steady_clock::now() + std::chrono::seconds(10));
  fs::rename(moved, root_);
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->status, 0) << checked->errors;
  EXPECT_NE(checked->output.find("virtual size: 2 MiB"), std::string::npos) << checked->output;
}

TEST_F(DiskStoreTest, AFailedOverlayLeavesNothing) {
  Disk missing{new_id(), "no-such-format", 1 << 20, "", true, "", ""};
  EXPECT_FALSE(disks().create_overlay(new_id(), missing, 1, "instance x"));
  EXPECT_TRUE(disks().list()->empty());
}

TEST_F(DiskStoreTest, ChainsThatLoopOrBreakAreReported) {
  Disk base = make_base();
  auto overlay = disks().create_overlay(new_id(), base, 0, "instance x");
  ASSERT_TRUE(overlay);
  fs::remove(disks().path(base));
  EXPECT_EQ(disks().chain(overlay->id).error().kind, ErrorKind::corrupted);
  std::ofstream(root_ / "disks" / (overlay->id + ".json"))
      << R"({"schema":1,"format":"qcow2","virtual_size":1,"backing":")" << overlay->id << "\"}";
  EXPECT_EQ(disks().chain(overlay->id).error().kind, ErrorKind::corrupted);
}

TEST_F(DiskStoreTest, CollectKeepsWhatIsReferredToAndTakesTheRest) {
  Disk used = make_base(), unused = make_base();
  write_image(used.id);
  std::ofstream(root_ / "disks" / (new_id() + ".json")) << "half a document";
  ASSERT_TRUE(collect(*workspace_, milliseconds(0)));
  EXPECT_EQ(*disks().list(), std::vector<std::string>{used.id});
}

TEST_F(DiskStoreTest, CollectTouchesNothingBesideADamagedInstance) {
  Disk disk = make_base();
  std::string folder = workspace_->home.instance(new_id());
  fs::create_directory(folder);
  ASSERT_TRUE(collect(*workspace_, milliseconds(0)));  // its instance.json is missing: it may have used the disk
  EXPECT_EQ(disks().list()->size(), 1u);
  std::ofstream(folder + "/instance.json") << "{";
  ASSERT_TRUE(collect(*workspace_, milliseconds(0)));
  EXPECT_EQ(disks().list()->size(), 1u);
  fs::remove_all(folder);
  ASSERT_TRUE(collect(*workspace_, milliseconds(0)));
  EXPECT_TRUE(disks().list()->empty());
  (void)disk;
}

TEST_F(DiskStoreTest, StagingIsGarbageOnlyWhenNobodyHoldsIt) {
  std::string id = new_id();
  {
    auto staged = StagedFolder::make(*workspace_, id);
    ASSERT_TRUE(staged) << staged.error().message;
    ASSERT_TRUE(collect(*workspace_, milliseconds(0)));  // does not get the lock, and does nothing
    EXPECT_TRUE(fs::exists(staged->path()));
    ASSERT_TRUE(staged->write("instance.json", "{}"));
  }
  ASSERT_TRUE(collect_leftovers(*workspace_));
  EXPECT_FALSE(fs::exists(workspace_->home.staging(id)));
}

TEST_F(DiskStoreTest, PublishMovesTheLockAlong) {
  auto staged = StagedFolder::make(*workspace_, new_id());
  ASSERT_TRUE(staged);
  std::string folder = workspace_->home.instance(new_id());
  auto lock = staged->publish(folder);
  ASSERT_TRUE(lock) << lock.error().message;
  EXPECT_FALSE(FileLock::is_free(folder + "/lock"));
  lock->release();
  EXPECT_TRUE(FileLock::is_free(folder + "/lock"));
}

}  // namespace
}  // namespace anyvisor
