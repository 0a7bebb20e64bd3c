// SPDX-License-Identifier: MIT
#include "storage/reflink.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "storage/fd.hpp"

namespace anyvisor {

Result<void> reflink_file(const std::string& from, const std::string& to) {
  Fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) return fail_errno("cannot read \"" + from + "\"", errno);
  Fd target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target) return fail_errno("cannot create \"" + to + "\"", errno);
  if (::ioctl(target.get(), FICLONE, source.get()) == 0) return {};
  const int failure = errno;
  ::unlink(to.c_str());
  // What the file systems that cannot say: ext4 and tmpfs EOPNOTSUPP, others ENOTTY, EINVAL or EXDEV.
  if (failure == EOPNOTSUPP || failure == ENOTTY || failure == EINVAL || failure == EXDEV || failure == ENOSYS)
    return fail(ErrorKind::unsupported,
                "the file system of \"" + to.substr(0, to.rfind('/')) + "\" cannot share blocks between files",
                "that takes btrfs, or xfs with reflink");
  return fail_errno("cannot share the blocks of \"" + from + "\"", failure);
}

}  // namespace anyvisor
