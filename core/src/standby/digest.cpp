// SPDX-License-Identifier: MIT
#include "standby/digest.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "storage/fd.hpp"

namespace anyvisor {
namespace {

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    good_ = context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }
  void add(std::string_view bytes) {
    good_ = good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
  }
  Result<std::string> text() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned length = 0;
    if (!good_ || EVP_DigestFinal_ex(context_.get(), bytes.data(), &length) != 1)
      return fail(ErrorKind::internal, "SHA-256 cannot be had from libcrypto");
    std::string text = "sha256:";
    constexpr std::string_view digits = "0123456789abcdef";
    for (unsigned i = 0; i < length; ++i) {
      text += digits[bytes[i] >> 4U];
      text += digits[bytes[i] & 0xfU];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  bool good_ = false;
};

}  // namespace

Result<std::string> digest_of_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return fail_errno("cannot open \"" + path + "\"", errno);
  Digest digest;
  constexpr std::size_t piece = 1U << 18;
  std::string buffer(piece, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read \"" + path + "\"", errno);
    if (got == 0) return digest.text();
    digest.add(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  }
}

Result<std::string> digest_of_text(std::string_view text) {
  Digest digest;
  digest.add(text);
  return digest.text();
}

}  // namespace anyvisor
