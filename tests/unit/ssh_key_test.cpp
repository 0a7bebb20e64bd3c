// SPDX-License-Identifier: MIT
// Our keys as OpenSSH's own program reads them.
#include "identity/ssh_key.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "identity/home_key.hpp"
#include "process/spawn.hpp"
#include "storage/fd.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::Gt;
using testing::HasSubstr;
using testing::Lt;
using testing::MatchesRegex;
using testing::StartsWith;

std::string write_key(const TemporaryFolder& folder, const std::string& text) {
  const std::string path = folder / "key";
  ::unlink(path.c_str());
  std::ofstream(path) << text;
  ::chmod(path.c_str(), 0600);
  return path;
}

// What `ssh-keygen` answers; empty after a failure.
std::string ask_ssh_keygen(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "ssh-keygen");
  Command command;
  command.argv = std::move(arguments);
  const auto ended = run(command, std::chrono::steady_clock::now() + std::chrono::seconds(20));
  if (!ended) ADD_FAILURE() << ended.error().message;
  if (!ended || ended->status != 0) return "";
  return ended->output;
}

bool lacks_ssh_keygen() {
  return !find_program("ssh-keygen");
}

struct Expected {
  KeyType type;
  std::string line_start, listed;
  std::set<std::size_t> private_sizes;
  std::size_t public_size;
};

// A test's name shows it: the same one in each run.
void PrintTo(const Expected& expected, std::ostream* out) {
  *out << short_name(expected.type);
}

class EachKeyType : public testing::TestWithParam<Expected> {};

TEST_P(EachKeyType, IsReadByOpenSsh) {
  if (lacks_ssh_keygen()) GTEST_SKIP() << "ssh-keygen is not installed";
  TemporaryFolder folder;
  // Several: an ECDSA number begins with a set bit, or even with a zero byte, only now and then.
  const int rounds = GetParam().type == KeyType::rsa_3072 ? 1 : 12;
  for (int i = 0; i < rounds; ++i) {
    const auto key = make_ssh_key(GetParam().type);
    ASSERT_TRUE(key) << key.error().message;
    EXPECT_THAT(key->public_key, StartsWith(GetParam().line_start));
    if (GetParam().type == KeyType::rsa_3072)
      EXPECT_THAT(key->private_key.size(), AllOf(Gt(2500U), Lt(2656U)));
    else
      EXPECT_TRUE(GetParam().private_sizes.contains(key->private_key.size())) << key->private_key.size();
    EXPECT_EQ(key->public_key.size(), GetParam().public_size);
    const std::string path = write_key(folder, key->private_key);
    std::string derived = ask_ssh_keygen({"-y", "-P", "", "-f", path});
    EXPECT_EQ(derived, key->public_key + "\n");
    EXPECT_THAT(ask_ssh_keygen({"-l", "-f", path}), MatchesRegex(GetParam().listed));
    EXPECT_EQ(public_line_of(key->private_key).value(), key->public_key);
  }
}

// -y reads the public half; a signature shows that the private one belongs to it.
TEST_P(EachKeyType, Signs) {
  if (lacks_ssh_keygen()) GTEST_SKIP() << "ssh-keygen is not installed";
  TemporaryFolder folder;
  const int rounds = GetParam().type == KeyType::rsa_3072 ? 1 : 6;
  for (int i = 0; i < rounds; ++i) {
    const auto key = make_ssh_key(GetParam().type).value();
    const std::string path = write_key(folder, key.private_key), message = folder / "message";
    std::ofstream(message) << "text";
    std::ofstream(folder / "allowed") << "who " << key.public_key << "\n";
    ::unlink((message + ".sig").c_str());
    Command sign;
    sign.argv = {"ssh-keygen", "-q", "-Y", "sign", "-n", "test", "-f", path, message};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    ASSERT_EQ(run(sign, deadline).value().status, 0);
    Command verify;
    verify.argv = {"ssh-keygen", "-Y", "verify",           "-n", "test",          "-I",
                   "who",        "-f", folder / "allowed", "-s", message + ".sig"};
    EXPECT_EQ(run(verify, deadline, -1, "text").value().status, 0);
    EXPECT_NE(run(verify, deadline, -1, "another text").value().status, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    SshKey, EachKeyType,
    testing::Values(
        Expected{KeyType::ed25519, "ssh-ed25519 AAAA", "256 SHA256:.* \\(ED25519\\)\n", {387}, 80},
        Expected{KeyType::ecdsa_p256, "ecdsa-sha2-nistp256 AAAA", "256 SHA256:.* \\(ECDSA\\)\n", {480, 492}, 160},
        // Its length has no table: what it may be at most is what a slot has room for.
        Expected{KeyType::rsa_3072, "ssh-rsa AAAA", "3072 SHA256:.* \\(RSA\\)\n", {}, 552}),
    [](const auto& instance) { return std::string(short_name(instance.param.type)); });

TEST(SshKey, IsAnotherEachTime) {
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(seen.insert(make_ssh_key(KeyType::ed25519).value().public_key).second);
}

TEST(SshKey, PublicLineOfWhatOthersMade) {
  if (lacks_ssh_keygen()) GTEST_SKIP() << "ssh-keygen is not installed";
  TemporaryFolder folder;
  ask_ssh_keygen({"-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "", "-f", folder / "rsa"});
  ask_ssh_keygen({"-q", "-t", "ed25519", "-N", "secret", "-f", folder / "locked"});
  EXPECT_EQ(public_line_of(read_file(folder / "rsa").value()).value() + " \n", read_file(folder / "rsa.pub").value());
  const auto locked = public_line_of(read_file(folder / "locked").value());
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().kind, ErrorKind::unsupported);
  EXPECT_THAT(locked.error().message, HasSubstr("passphrase"));
}

TEST(SshKey, DamagedOnesAreRefused) {
  const std::string whole = make_ssh_key(KeyType::ed25519).value().private_key;
  const auto begin = whole.find('\n') + 1, end = whole.rfind("-----END");
  for (std::size_t size : {0u, 4u, 20u, 60u, 150u})
    EXPECT_FALSE(public_line_of(whole.substr(0, begin + size) + "\n" + whole.substr(end))) << size;
  EXPECT_FALSE(public_line_of(whole.substr(0, end)));
  EXPECT_FALSE(public_line_of("-----BEGIN RSA PRIVATE KEY-----\nxx\n-----END RSA PRIVATE KEY-----\n"));
  EXPECT_FALSE(public_line_of(""));
}

TEST(HomeKey, IsMadeOnceAndPrivate) {
  TemporaryFolder folder;
  const auto home = Home::open(folder / "home").value();
  const auto first = home_public_key(home);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_THAT(*first, StartsWith("ssh-ed25519 AAAA"));
  EXPECT_EQ(home_public_key(home).value(), *first);
  struct stat status {};
  ASSERT_EQ(::stat(home.ssh().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat(home.ssh_key().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(public_line_of(read_file(home.ssh_key()).value()).value(), *first);
  EXPECT_EQ(read_file(home.ssh_key() + ".pub").value(), *first + "\n");
}

TEST(HomeKey, IsMadeOnceByManyAtOnce) {
  TemporaryFolder folder;
  const auto home = Home::open(folder / "home").value();
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto line = home_public_key(home);
      if (!line) ::_exit(1);
      std::ofstream(folder / ("line" + std::to_string(i))) << *line;
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  std::set<std::string> lines;
  for (int i = 0; i < 8; ++i) lines.insert(read_file(folder / ("line" + std::to_string(i))).value());
  EXPECT_EQ(lines.size(), 1u);
  EXPECT_EQ(public_line_of(read_file(home.ssh_key()).value()).value(), *lines.begin());
  EXPECT_EQ(test::entries_in(home.ssh()), 3u);  // the pair and its lock
}

TEST(HomeKey, MendsAMissingPublicHalfAndLeavesADamagedPrivateOne) {
  TemporaryFolder folder;
  const auto home = Home::open(folder / "home").value();
  const std::string line = home_public_key(home).value();
  ::unlink((home.ssh_key() + ".pub").c_str());
  EXPECT_EQ(home_public_key(home).value(), line);
  EXPECT_EQ(read_file(home.ssh_key() + ".pub").value(), line + "\n");

  ::unlink((home.ssh_key() + ".pub").c_str());
  std::ofstream(home.ssh_key()) << "damaged";
  const auto damaged = home_public_key(home);
  ASSERT_FALSE(damaged);
  EXPECT_THAT(damaged.error().message, HasSubstr(home.ssh_key()));
  EXPECT_FALSE(damaged.error().hint.empty());
  EXPECT_EQ(read_file(home.ssh_key()).value(), "damaged");

  // A person's own, with a comment.
  std::ofstream(home.ssh_key()) << make_ssh_key(KeyType::ecdsa_p256).value().private_key;
  std::ofstream(home.ssh_key() + ".pub") << "ecdsa-sha2-nistp256 AAAAxyz me@here\n";
  EXPECT_EQ(home_public_key(home).value(), "ecdsa-sha2-nistp256 AAAAxyz");
}

}  // namespace
}  // namespace anyvisor
