// SPDX-License-Identifier: MIT
// SHA-256 over OpenSSL's EVP. Throws sdk::Failure when the digest is not there (a FIPS set-up without it, no memory).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace local_images {

class Sha256 {
 public:
  Sha256();
  void update(const void* bytes, std::size_t size);
  // 64 lower-case hexadecimal digits. Call once, at the end.
  std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// The hexadecimal part of "sha256:<64 digits>" in lower case. Throws Failure(INVALID_ARGUMENT, field /digest) for
// anything else.
std::string parse_digest(std::string_view text);

}  // namespace local_images
