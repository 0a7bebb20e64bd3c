// SPDX-License-Identifier: MIT
#include "identity/user_data.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "identity/ssh_key.hpp"

namespace anyvisor {
namespace {

using testing::HasSubstr;

UserData accepted(const std::string& text) {
  auto data = read_user_data(text);
  EXPECT_TRUE(data) << text << ": " << data.error().message;
  if (!data) return {};
  EXPECT_EQ(data->text, text) << "it goes into the guest byte by byte";
  return std::move(*data);
}

Error refused(const std::string& text) {
  const auto data = read_user_data(text);
  EXPECT_FALSE(data) << text;
  if (data) return {};
  EXPECT_EQ(data.error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(data.error().field, "/user_data");
  EXPECT_FALSE(data.error().hint.empty()) << data.error().message;
  return data.error();
}

TEST(UserData, TellsACloudConfigFromTheRest) {
  for (const char* text : {"#cloud-config\n", "#cloud-config\r\npackages: [jq]\r\n", "#cloud-config\n---\nx: 1\n",
                           "\n#cloud-config\nx: 1\n", "#Cloud-Config  \nx: {y: [1, '2', \"3\"]}\n",
                           "#cloud-config\n# only comments\n", "#cloud-config # mine\nx: 1"})
    EXPECT_TRUE(accepted(text).is_cloud_config) << text;
  for (const char* text :
       {"#!/bin/sh\necho {[\n", "## template: jinja\n#cloud-config\nx: {{ v1.instance_id }}\n{% if x %}: [\n",
        "Content-Type: multipart/mixed; boundary=\"B\"\nMIME-Version: 1.0\n\n--B\nContent-Type: text/cloud-config\n\n"
        "#cloud-config\nx: [\n--B--\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n--B--\n", "#include\nhttp://192.0.2.1/x\n",
        "#include-once\nx\n", "#cloud-config-archive\n- x: [\n", "#cloud-boothook\n#!/bin/sh\n", "#part-handler\n",
        "#cloud-config-jsonp\n[]\n"})
    EXPECT_FALSE(accepted(text).is_cloud_config) << text;
}

TEST(UserData, RefusesWhatNoGuestCouldUse) {
  EXPECT_THAT(refused("").message, HasSubstr("empty"));
  EXPECT_THAT(refused(" \n\t\n").message, HasSubstr("empty"));
  EXPECT_THAT(refused("packages: [jq]\n").hint, HasSubstr("#cloud-config"));
  EXPECT_THAT(refused("packages: [jq]\n").message, HasSubstr("\"packages: [jq]\""));
  EXPECT_THAT(refused("Content-Type: multipart/mixed; boundary=B\n\n--B--\n").message,
              HasSubstr("nothing that cloud-init"))
      << "without MIME-Version cloud-init does not know it";
  EXPECT_THAT(refused("\x1f\x8b\x08 gzip").message, HasSubstr("UTF-8"));
  EXPECT_THAT(refused(std::string("#!/bin/sh\n\0x", 12)).message, HasSubstr("UTF-8"));
  EXPECT_THAT(refused("#!/bin/sh\n" + std::string(largest_user_data, 'x')).message, HasSubstr("too large"));
  EXPECT_TRUE(read_user_data("#!" + std::string(largest_user_data - 2, 'x')));
}

TEST(UserData, SaysWhereItsYamlBreaks) {
  EXPECT_THAT(refused("#cloud-config\npackages: [jq\nx: 1\n").message, HasSubstr("line 3, column"));
  EXPECT_THAT(refused("#cloud-config\npackages:\n\t- jq\n").message, HasSubstr("line 3, column 2"));
  EXPECT_THAT(refused("#cloud-config\na: b: c\n").message, HasSubstr("line 2, column 5"));
  EXPECT_THAT(refused("#cloud-config\na: *nowhere\n").message, HasSubstr("line 2, column"));
  EXPECT_THAT(refused("#cloud-config\n- a\n- b\n").message, HasSubstr("no map of settings (line 2, column 1)"));
  EXPECT_THAT(refused("#cloud-config\njust words\n").message, HasSubstr("no map of settings"));
  EXPECT_THAT(refused("#cloud-config\na: 1\n---\nb: 2\n").message, HasSubstr("several YAML documents"));
  refused("#cloud-config\na: " + std::string(100000, '['));
}

TEST(UserData, LearnsTheLoginUser) {
  EXPECT_EQ(accepted("#cloud-config\nuser: bob\n").user, "bob");
  EXPECT_EQ(accepted("#cloud-config\nuser: {name: bob, shell: /bin/sh}\n").user, "bob");
  EXPECT_EQ(accepted("#cloud-config\nuser: eve\nuser: bob\n").user, "bob") << "the last one counts";
  for (const char* text : {"#cloud-config\nuser:\n", "#cloud-config\nuser: {shell: /bin/sh}\n",
                           "#cloud-config\nusers: [default, {name: bob}]\n", "#cloud-config\nusers:\n- name: bob\n"})
    EXPECT_EQ(accepted(text).user, "") << text;
  for (const char* name : {"-oProxyCommand=x", "a b", "a/b", "\"\"", "[a]", "1st"})
    EXPECT_THAT(refused(std::string("#cloud-config\nuser: ") + name + "\n").message, HasSubstr("line 2, column"))
        << name;
}

TEST(UserData, LearnsHostKeysThatItBrings) {
  const auto key = make_ssh_key(KeyType::ed25519).value();
  std::string indented = "    " + key.private_key;
  for (auto at = indented.find('\n'); at + 1 < indented.size(); at = indented.find('\n', at + 1))
    indented.insert(at + 1, "    ");
  const auto brought = accepted("#cloud-config\nssh_keys:\n  ed25519_private: |\n" + indented +
                                "  rsa_private: in another format\n  rsa_public: ssh-rsa AAAAB3 someone@there\n");
  EXPECT_EQ(brought.host_keys,
            (std::map<std::string, std::string>{{"ed25519", key.public_key}, {"rsa", "ssh-rsa AAAAB3"}}));
  EXPECT_THAT(refused("#cloud-config\nssh_keys:\n  rsa_private: x\n").message, HasSubstr("rsa_private"));
  EXPECT_THAT(refused("#cloud-config\nssh_keys: [x]\n").message, HasSubstr("no map"));
}

TEST(UserData, MayNotShutAnyvisorOut) {
  EXPECT_THAT(refused("#cloud-config\nvendor_data: {enabled: false}\n").message, HasSubstr("line 2"));
  refused("#cloud-config\nvendor_data:\n  enabled: no\n");
  refused("#cloud-config\nvendor_data: false\n");
  accepted("#cloud-config\nvendor_data: {enabled: true, prefix: [x]}\n");
  accepted("#cloud-config\nvendor_data: {prefix: x}\n");
}

}  // namespace
}  // namespace anyvisor
