// SPDX-License-Identifier: MIT
// plugins/local-images through its ABI: what is brought, and each refusal with a message of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <filesystem>
#include <fstream>

#include "fake_host.hpp"

namespace {

namespace fs = std::filesystem;
namespace json = anyvisor::json;
using testing::AllOf;
using testing::HasSubstr;

class LocalImages : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/local-images-XXXXXX";
    ASSERT_TRUE(::mkdtemp(name));
    folder = name;
    table = static_cast<const anyvisor_image_store_draft1*>(anyvisor_plugin_entry_v0()->find(ANYVISOR_IMAGE_STORE_ID));
    ASSERT_TRUE(table);
  }
  void TearDown() override {
    close();
    fs::remove_all(folder);
  }
  void close() {
    if (store) table->close(store);
    store = nullptr;
  }
  std::string path(const std::string& name) const { return folder + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  std::string read(const std::string& file) const {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void shell(const std::string& command) const {
    ASSERT_EQ(std::system(("cd " + folder + " && { " + command + "; } >/dev/null 2>&1").c_str()), 0) << command;
  }
  // Each call opens the store anew with `settings` and brings into a fresh folder `target`.
  anyvisor_status fetch(std::vector<std::pair<std::string, std::string>> members) {
    close();
    EXPECT_EQ(table->open(host.host(), host.context(), settings.c_str(), &store), ANYVISOR_OK);
    if (target.empty()) target = path("target");
    if (target == path("target")) {
      fs::remove_all(target);
      fs::create_directory(target);
    }
    auto request = json::make_object();
    json::set(request, request, "folder", target);
    for (auto& [key, value] : members) json::set(request, request, key.c_str(), value);
    const char* text = nullptr;
    const auto status = table->fetch(store, host.context(), json::render(request).c_str(), &text);
    if (status == ANYVISOR_OK) reply.Parse(text);
    return status;
  }
  anyvisor_status fetch_disk(const std::string& name) { return fetch({{"reference", path(name)}}); }

  std::string folder, target, settings = "{}";
  test::FakeHost host;
  const anyvisor_image_store_draft1* table = nullptr;
  anyvisor_image_store* store = nullptr;
  json::Document reply;
};

TEST_F(LocalImages, BringsARawDiskWithItsHolesAndDigest) {
  // A hole, data, a hole, and zeros that were really written.
  shell(
      "truncate -s 3M disk.raw; printf anyvisor | dd of=disk.raw bs=1M seek=1 conv=notrunc; "
      "dd if=/dev/zero of=disk.raw bs=512k seek=4 count=1 conv=notrunc");
  ASSERT_EQ(fetch_disk("disk.raw"), ANYVISOR_OK) << host.message;
  EXPECT_EQ(json::string_or(reply, "name"), "disk");
  EXPECT_EQ(json::string_or(reply["disk"], "file"), "disk.raw");
  EXPECT_EQ(json::string_or(reply["disk"], "format"), "raw");
  EXPECT_EQ(json::uint_or(reply["disk"], "virtual_size", 0), 3U << 20);
  EXPECT_EQ(read(target + "/disk.raw"), read(path("disk.raw")));
  struct stat status {};
  ASSERT_EQ(::stat((target + "/disk.raw").c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, 1 << 20) << "holes and zeros became data";
  shell("test \"sha256:$(sha256sum < disk.raw | cut -d' ' -f1)\" = " + json::string_or(reply, "digest"));
  EXPECT_EQ(host.reports.back().done, 3U << 20);
  EXPECT_EQ(host.reports.back().total, 3U << 20);
}

TEST_F(LocalImages, BringsAQcow2DiskWithKernelInitrdAndCommandLine) {
  shell("qemu-img create -f qcow2 'my disk.qcow2' 1G");
  write("vmlinuz", "kernel bytes");
  write("initrd.img", "initrd bytes");
  ASSERT_EQ(fetch({{"reference", path("my disk.qcow2")},
                   {"kernel", path("vmlinuz")},
                   {"initrd", path("initrd.img")},
                   {"command_line", "root=LABEL=x hostname={hostname}"},
                   {"firmware", "bios"}}),
            ANYVISOR_OK)
      << host.message;
  EXPECT_EQ(json::string_or(reply, "name"), "my-disk");
  EXPECT_EQ(json::string_or(reply["disk"], "format"), "qcow2");
  EXPECT_EQ(json::uint_or(reply["disk"], "virtual_size", 0), 1U << 30);
  EXPECT_EQ(read(target + "/" + json::string_or(reply["kernel"], "file")), "kernel bytes");
  EXPECT_EQ(read(target + "/" + json::string_or(reply["initrd"], "file")), "initrd bytes");
  EXPECT_EQ(json::string_or(reply, "command_line"), "root=LABEL=x hostname={hostname}");
  EXPECT_EQ(json::string_or(reply, "firmware"), "bios");
}

TEST_F(LocalImages, BringsAKernelAlone) {
  write("tiny.elf",
        "\x7f"
        "ELF");
  ASSERT_EQ(fetch({{"kernel", path("tiny.elf")}, {"name", "tiny"}}), ANYVISOR_OK) << host.message;
  EXPECT_EQ(json::string_or(reply, "name"), "tiny");
  EXPECT_EQ(json::find(reply, "disk"), nullptr);
  EXPECT_TRUE(host.helpers.empty());
  EXPECT_EQ(json::string_or(reply, "digest").size(), 71U);
}

TEST_F(LocalImages, RefusesWhatIsNoFile) {
  write("empty", "");
  fs::create_directory(path("folder"));
  ::mkfifo(path("fifo").c_str(), 0600);
  EXPECT_EQ(fetch_disk("missing"), ANYVISOR_NOT_FOUND);
  EXPECT_EQ(host.message, "the disk \"" + path("missing") + "\" does not exist");
  EXPECT_EQ(host.field, "/reference");
  EXPECT_EQ(fetch_disk("folder"), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_THAT(host.message, HasSubstr("is a folder, not a file"));
  EXPECT_EQ(fetch_disk("fifo"), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_THAT(host.message, HasSubstr("is no regular file"));
  EXPECT_EQ(fetch_disk("empty"), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_THAT(host.message, HasSubstr("is empty"));
  write("secret", std::string(512, 'x'));
  ::chmod(path("secret").c_str(), 0);
  target = path("folder");
  const uid_t user = ::geteuid();
  if (user == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto status = fetch_disk("secret");
  if (user == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(status, ANYVISOR_UNAVAILABLE);
  EXPECT_THAT(host.message, HasSubstr("is not readable"));
}

TEST_F(LocalImages, RefusesBadKernelsAndRequests) {
  write("empty", "");
  write("disk", std::string(512, 'x'));
  EXPECT_EQ(fetch({{"kernel", path("missing")}}), ANYVISOR_NOT_FOUND);
  EXPECT_THAT(host.message, HasSubstr("the kernel \""));
  EXPECT_EQ(host.field, "/kernel");
  EXPECT_EQ(fetch({{"kernel", path("empty")}}), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_THAT(host.message, HasSubstr("is empty"));
  EXPECT_EQ(fetch({}), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_THAT(host.message, HasSubstr("a disk or a kernel"));
  EXPECT_EQ(fetch({{"reference", path("disk")}, {"initrd", path("disk")}}), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(host.field, "/initrd");
  EXPECT_EQ(fetch({{"reference", path("disk")}, {"command_line", "x"}}), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(host.field, "/command_line");
  EXPECT_EQ(fetch({{"reference", path("disk")}, {"firmware", "coreboot"}}), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(host.field, "/firmware");
}

TEST_F(LocalImages, RefusesTruncatedImages) {
  write("odd.raw", std::string(1000, 'x'));
  EXPECT_EQ(fetch_disk("odd.raw"), ANYVISOR_CORRUPTED);
  EXPECT_THAT(host.message, HasSubstr("its size of 1000 bytes is no multiple of 512"));
  shell("head -c 8M /dev/urandom > data; qemu-img convert -f raw -O qcow2 data whole.qcow2");
  ASSERT_EQ(fetch_disk("whole.qcow2"), ANYVISOR_OK) << host.message;
  for (const char* size : {"60", "4096", "200k", "4M", "8M"}) {
    shell("cp whole.qcow2 cut.qcow2; truncate -s " + std::string(size) + " cut.qcow2");
    EXPECT_EQ(fetch_disk("cut.qcow2"), ANYVISOR_CORRUPTED) << size;
    EXPECT_THAT(host.message, HasSubstr("truncated")) << size;
  }
}

TEST_F(LocalImages, RefusesImagesThatNameOtherFiles) {
  shell(
      "qemu-img create -f qcow2 base.qcow2 1M; qemu-img create -f qcow2 -b base.qcow2 -F qcow2 overlay.qcow2; "
      "qemu-img create -f qcow2 -o data_file=elsewhere,data_file_raw=on external.qcow2 1M");
  EXPECT_EQ(fetch_disk("overlay.qcow2"), ANYVISOR_UNSUPPORTED);
  EXPECT_THAT(host.message, HasSubstr("backing file"));
  EXPECT_EQ(fetch_disk("external.qcow2"), ANYVISOR_UNSUPPORTED);
  EXPECT_THAT(host.message, HasSubstr("external data file"));
  write("evil.vmdk", "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/passwd\" 0\n");
  EXPECT_EQ(fetch_disk("evil.vmdk"), ANYVISOR_UNSUPPORTED);
  EXPECT_TRUE(host.helpers.empty()) << "qemu-img saw an image that names another file";
}

TEST_F(LocalImages, RefusesEncryptedImagesAndOtherFormats) {
  shell(
      "qemu-img create --object secret,id=s,data=x -f qcow2 -o "
      "encrypt.format=aes,encrypt.key-secret=s "
      "encrypted.qcow2 1M; for f in vmdk vdi vhdx vpc qed parallels; do qemu-img create -f $f disk.$f 4M; done");
  EXPECT_EQ(fetch_disk("encrypted.qcow2"), ANYVISOR_UNSUPPORTED);
  EXPECT_THAT(host.message, HasSubstr("is encrypted"));
  for (const char* format : {"vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"}) {
    EXPECT_EQ(fetch_disk(std::string("disk.") + format), ANYVISOR_UNSUPPORTED) << format;
    EXPECT_THAT(host.message, HasSubstr("in the format \"" + std::string(format) + "\"")) << format;
    EXPECT_THAT(host.hint, HasSubstr("qemu-img convert"));
  }
  EXPECT_TRUE(host.helpers.empty());
}

TEST_F(LocalImages, TakesTheFormatThatThePersonGives) {
  shell("qemu-img create -f qcow2 disk.qcow2 1M; truncate -s %512 disk.qcow2; truncate -s 1M disk.raw");
  const auto size = fs::file_size(path("disk.qcow2"));
  ASSERT_EQ(fetch({{"reference", path("disk.qcow2")}, {"format", "raw"}}), ANYVISOR_OK) << host.message;
  EXPECT_EQ(json::string_or(reply["disk"], "format"), "raw");
  EXPECT_EQ(json::uint_or(reply["disk"], "virtual_size", 0), size);
  EXPECT_EQ(fetch({{"reference", path("disk.raw")}, {"format", "qcow2"}}), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_THAT(host.message, HasSubstr("is not a qcow2 image"));
  EXPECT_EQ(fetch({{"reference", path("disk.raw")}, {"format", "vmdk"}}), ANYVISOR_UNSUPPORTED);
  EXPECT_EQ(host.field, "/format");
}

TEST_F(LocalImages, RefusesBeyondTheLimit) {
  shell("qemu-img create -f qcow2 big.qcow2 65T; truncate -s 1M disk.raw");
  EXPECT_EQ(fetch_disk("big.qcow2"), ANYVISOR_EXHAUSTED);
  EXPECT_THAT(host.message, AllOf(HasSubstr("65.0 TiB"), HasSubstr("64.0 TiB")));
  settings = R"({"max_virtual_size":524288})";
  EXPECT_EQ(fetch_disk("disk.raw"), ANYVISOR_EXHAUSTED);
  EXPECT_THAT(host.message, HasSubstr("512.0 KiB"));
}

TEST_F(LocalImages, ChecksTheDigest) {
  write("disk.raw", std::string(512, 'x'));
  ASSERT_EQ(fetch_disk("disk.raw"), ANYVISOR_OK) << host.message;
  const std::string right = json::string_or(reply, "digest");
  std::string upper = right;
  for (auto c = upper.begin() + 7; c != upper.end(); ++c) *c = static_cast<char>(std::toupper(*c));
  EXPECT_EQ(fetch({{"reference", path("disk.raw")}, {"digest", upper}}), ANYVISOR_OK) << host.message;
  const std::string wrong = "sha256:" + std::string(64, '0');
  EXPECT_EQ(fetch({{"reference", path("disk.raw")}, {"digest", wrong}}), ANYVISOR_CORRUPTED);
  EXPECT_THAT(host.message, AllOf(HasSubstr(right), HasSubstr(wrong)));
  for (const std::string& bad : {std::string("md5:00"), std::string("sha256:00"), "sha256:" + std::string(64, 'g')}) {
    EXPECT_EQ(fetch({{"reference", path("disk.raw")}, {"digest", bad}}), ANYVISOR_INVALID_ARGUMENT) << bad;
    EXPECT_THAT(host.message, HasSubstr("malformed"));
  }
}

TEST_F(LocalImages, StopsWhenCancelled) {
  write("disk.raw", std::string(512, 'x'));
  host.cancelled = true;
  EXPECT_EQ(fetch_disk("disk.raw"), ANYVISOR_CANCELLED);
}

TEST_F(LocalImages, SaysThatQemuImgIsMissing) {
  write("disk.raw", std::string(512, 'x'));
  fs::create_directory(path("bin"));
  fs::create_symlink("/usr/bin/timeout", path("bin/timeout"));
  host.path = path("bin");
  EXPECT_EQ(fetch_disk("disk.raw"), ANYVISOR_UNAVAILABLE);
  EXPECT_THAT(host.message, HasSubstr("qemu-img is not installed"));
  EXPECT_EQ(host.hint, "apt install qemu-utils");
}

// In a child with a mount namespace of its own, whose target is a file system of 1 MiB.
TEST_F(LocalImages, LooksForSpaceBeforeItCopies) {
  shell("head -c 4M /dev/urandom > disk.raw");
  fs::create_directory(path("small"));
  const pid_t child = ::fork();
  if (child == 0) {
    const uid_t user = ::geteuid();
    const int flags = user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    if (::unshare(flags) != 0) ::_exit(77);
    if (user != 0) std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("small", path("small").c_str(), "tmpfs", 0, "size=1m") != 0)
      ::_exit(77);
    target = path("small");
    const bool refused = fetch_disk("disk.raw") == ANYVISOR_EXHAUSTED &&
                         host.message.find("needs 4.0 MiB and only 1.0 MiB") != std::string::npos;
    if (!refused) std::fprintf(stderr, "%s\n", host.message.c_str());
    ::_exit(refused && host.reports.empty() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount namespaces for this user";
  EXPECT_EQ(status, 0);
}

TEST_F(LocalImages, ResolvesPathsAndDeclinesTheRest) {
  write("disk.raw", std::string(512, 'x'));
  ASSERT_EQ(table->open(host.host(), host.context(), "{}", &store), ANYVISOR_OK);
  const char* text = nullptr;
  auto resolve = [&](const std::string& reference) {
    return table->resolve(store, host.context(), (R"({"reference":")" + reference + "\"}").c_str(), &text);
  };
  ASSERT_EQ(resolve(path("disk.raw")), ANYVISOR_OK);
  reply.Parse(text);
  EXPECT_EQ(json::string_or(reply, "name"), "disk");
  const std::string key = json::string_or(reply, "key");
  write("disk.raw", std::string(1024, 'x'));
  ASSERT_EQ(resolve(path("disk.raw")), ANYVISOR_OK);
  reply.Parse(text);
  EXPECT_NE(json::string_or(reply, "key"), key);
  for (const std::string& other :
       {std::string("debian:12"), "file://" + path("disk.raw"), path("missing"), folder, std::string()})
    EXPECT_EQ(resolve(other), ANYVISOR_DECLINED) << other;
  for (const char* other : {"debian:12", "https://example.org/disk.raw"})
    EXPECT_EQ(fetch({{"reference", other}}), ANYVISOR_DECLINED) << other;
}

}  // namespace
