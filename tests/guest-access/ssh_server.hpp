// SPDX-License-Identifier: MIT
// An ssh server on this machine that stands for a guest: its own configuration, host key and port, ended with the
// object.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "guest/ssh_access.hpp"
#include "process/spawn.hpp"

namespace anyvisor::test {

class SshServer {
 public:
  // `configuration`: lines added to sshd's.
  explicit SshServer(const std::string& configuration = {});
  ~SshServer();
  SshServer(const SshServer&) = delete;
  SshServer& operator=(const SshServer&) = delete;

  // Why there is none (no sshd here); empty: it runs.
  const std::string& trouble() const { return trouble_; }
  const SshAccess& access() const { return access_; }
  std::string folder() const { return folder_; }  // for the test's own files; its name has a blank and a quote in it
  std::string log() const;
  std::string configuration() const { return configuration_; }  // sshd's file

 private:
  void write_keys();
  void start(const std::string& configuration);

  std::string folder_, trouble_, configuration_;
  SshAccess access_;
  Child child_;
};

// A file's content, or what is written to it.
std::string content_of(const std::string& path);
void write_content(const std::string& path, std::string_view content, int mode = 0600);

}  // namespace anyvisor::test

#define SKIP_WITHOUT(server) \
  if (!(server).trouble().empty()) GTEST_SKIP() << (server).trouble()
