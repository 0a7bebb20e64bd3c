// SPDX-License-Identifier: MIT
#include "sha256.hpp"

#include <openssl/evp.h>

#include <anyvisor/plugin.hpp>
#include <array>
#include <cctype>

namespace local_images {

using anyvisor::sdk::Failure;

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
    throw Failure(ANYVISOR_INTERNAL, "OpenSSL has no SHA-256");
}

void Sha256::update(const void* bytes, std::size_t size) {
  if (EVP_DigestUpdate(context_.get(), bytes, size) != 1) throw Failure(ANYVISOR_INTERNAL, "OpenSSL's SHA-256 failed");
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) != 1)
    throw Failure(ANYVISOR_INTERNAL, "OpenSSL's SHA-256 failed");
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

std::string parse_digest(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  auto malformed = [&](const char* why) {
    return Failure(ANYVISOR_INVALID_ARGUMENT,
                   "the digest \"" + std::string(text.substr(0, 80)) + "\" is malformed: " + why)
        .field("/digest")
        .hint("write it as sha256: and 64 hexadecimal digits, as sha256sum prints them");
  };
  if (!text.starts_with(prefix)) throw malformed("it does not begin with sha256:");
  std::string hex(text.substr(prefix.size()));
  if (hex.size() != 64) throw malformed("it does not have 64 hexadecimal digits");
  for (char& c : hex) {
    if (!std::isxdigit(static_cast<unsigned char>(c)))
      throw malformed("it has a character that is no hexadecimal digit");
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return hex;
}

}  // namespace local_images
