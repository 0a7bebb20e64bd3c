// SPDX-License-Identifier: MIT
#include "commands/user_data.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "errors.hpp"

namespace anyvisor::cli {

namespace {

constexpr std::size_t most_user_data = 64u << 20;  // more is nobody's configuration, and is not read

// All that `fd` holds; what is beyond the library's limit is cut off just behind it, and refused there.
std::string read_all(int fd, const std::string& shown) {
  std::string text;
  std::array<char, 65536> chunk;
  while (text.size() <= most_user_data) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got == 0) return text;
    if (got > 0) {
      text.append(chunk.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      const int failure = errno;
      throw Failed(fail_errno("cannot read " + shown, failure).value());
    }
  }
  return text;
}

}  // namespace

std::string read_user_data(const std::string& file) {
  if (file == "-") {
    std::string text = read_all(STDIN_FILENO, "the user data from standard input");
    if (text.empty()) throw UsageError("--cloud-init -: nothing came on standard input", "");
    return text;
  }
  const std::string shown = "\"" + file + "\"";
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Failed(fail_errno("cannot read " + shown, errno).value());
  struct Close {
    int number;
    ~Close() { ::close(number); }
  } const close{fd};
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
    throw UsageError("--cloud-init " + shown + ": that is a folder", "name a file of user data");
  std::string text = read_all(fd, shown);
  if (text.empty()) throw UsageError("--cloud-init " + shown + ": the file is empty", "");
  return text;
}

}  // namespace anyvisor::cli
