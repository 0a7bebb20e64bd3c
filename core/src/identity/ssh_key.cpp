// SPDX-License-Identifier: MIT
// The format is OpenSSH's PROTOCOL.key: strings and numbers with their length before them (RFC 4251), in base64.
#include "identity/ssh_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace anyvisor {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Number = std::unique_ptr<BIGNUM, Free>;

constexpr std::string_view magic("openssh-key-v1\0", 15);
constexpr std::string_view head = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
constexpr std::string_view foot = "-----END OPENSSH PRIVATE KEY-----\n";
constexpr std::size_t line_length = 70;
constexpr std::size_t block = 8;  // of the cipher "none"

// Bytes that are wiped in the end. Room is taken at once, so that growing leaves no copy behind.
class Secret {
 public:
  explicit Secret(std::size_t room) { text_.reserve(room); }
  ~Secret() { OPENSSL_cleanse(text_.data(), text_.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  std::string& text() { return text_; }
  unsigned char* bytes() { return reinterpret_cast<unsigned char*>(text_.data()); }

 private:
  std::string text_;
};

tl::unexpected<Error> openssl_failure(const std::string& what) {
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  return fail(ErrorKind::internal, what + ": " + reason.data());
}

void put_number(std::string& out, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

void put(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out += text;
}

// A number with its first bit set gets a zero byte before it, or it would be negative.
void put(std::string& out, const BIGNUM& number) {
  const auto length = static_cast<std::size_t>(BN_num_bytes(&number));
  const bool zero = BN_num_bits(&number) % 8 == 0;
  put_number(out, length + (zero ? 1 : 0));
  if (zero) out += '\0';
  out.resize(out.size() + length);
  BN_bn2bin(&number, reinterpret_cast<unsigned char*>(out.data() + out.size() - length));
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

// What a pair consists of: `public_part` begins with the type's name, `private_part` is what follows it there.
struct Parts {
  std::string public_part;
  Secret private_part{2048};
};

Result<void> take_ed25519(EVP_PKEY* key, Parts& parts) {
  std::array<unsigned char, 32> open{};
  Secret seed(32);
  seed.text().resize(32);
  std::size_t open_size = open.size(), seed_size = 32;
  if (EVP_PKEY_get_raw_public_key(key, open.data(), &open_size) != 1 ||
      EVP_PKEY_get_raw_private_key(key, seed.bytes(), &seed_size) != 1)
    return openssl_failure("cannot read a new ed25519 key");
  const std::string point(reinterpret_cast<const char*>(open.data()), open_size);
  put(parts.public_part, "ssh-ed25519");
  put(parts.public_part, point);
  put(parts.private_part.text(), point);
  put_number(parts.private_part.text(), seed_size + open_size);
  parts.private_part.text() += seed.text();
  parts.private_part.text() += point;
  return {};
}

Result<void> take_ecdsa(EVP_PKEY* key, Parts& parts) {
  std::array<unsigned char, 65> open{};  // uncompressed: 4, x, y
  std::size_t size = 0;
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, open.data(), open.size(), &size) != 1 ||
      EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &raw) != 1)
    return openssl_failure("cannot read a new ECDSA key");
  const Number number(raw);
  if (size != open.size() || open[0] != 4) return fail(ErrorKind::internal, "a new ECDSA key has an unknown form");
  const std::string_view point(reinterpret_cast<const char*>(open.data()), size);
  put(parts.public_part, "ecdsa-sha2-nistp256");
  for (std::string* out : {&parts.public_part, &parts.private_part.text()}) {
    put(*out, "nistp256");
    put(*out, point);
  }
  put(parts.private_part.text(), *number);
  return {};
}

Result<void> take_rsa(EVP_PKEY* key, Parts& parts) {
  std::map<std::string_view, Number> numbers;
  const std::string_view n = OSSL_PKEY_PARAM_RSA_N, e = OSSL_PKEY_PARAM_RSA_E, d = OSSL_PKEY_PARAM_RSA_D,
                         p = OSSL_PKEY_PARAM_RSA_FACTOR1, q = OSSL_PKEY_PARAM_RSA_FACTOR2,
                         iqmp = OSSL_PKEY_PARAM_RSA_COEFFICIENT1;
  for (const auto name : {n, e, d, p, q, iqmp}) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(key, name.data(), &raw) != 1) return openssl_failure("cannot read a new RSA key");
    numbers[name] = Number(raw);
  }
  put(parts.public_part, "ssh-rsa");
  for (const auto name : {e, n}) put(parts.public_part, *numbers[name]);
  for (const auto name : {n, e, d, iqmp, p, q}) put(parts.private_part.text(), *numbers[name]);
  return {};
}

std::string_view type_name(std::string_view public_part) {
  const std::size_t length = static_cast<unsigned char>(public_part[3]);
  return public_part.substr(4, length);
}

Result<std::string> armour(Parts& parts) {
  std::uint32_t check = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&check), sizeof check) != 1)
    return openssl_failure("cannot make a key");
  Secret inner(4096);
  put_number(inner.text(), check);
  put_number(inner.text(), check);
  put(inner.text(), type_name(parts.public_part));
  inner.text() += parts.private_part.text();
  put(inner.text(), "");  // comment
  for (char padding = 1; inner.text().size() % block != 0; ++padding) inner.text() += padding;

  Secret whole(8192);
  std::string& bytes = whole.text();
  bytes += magic;
  put(bytes, "none");  // cipher
  put(bytes, "none");  // how a passphrase becomes its key
  put(bytes, "");
  put_number(bytes, 1);
  put(bytes, parts.public_part);
  put(bytes, inner.text());
  Secret code(0);
  code.text() = to_base64(bytes);
  std::string text;
  text.reserve(code.text().size() * 2 + head.size() + foot.size());
  text += head;
  for (std::size_t at = 0; at < code.text().size(); at += line_length) {
    text.append(code.text(), at, line_length);
    text += '\n';
  }
  text += foot;
  return text;
}

std::string public_line(std::string_view public_part) {
  return std::string(type_name(public_part)) + " " + to_base64(public_part);
}

// A length and what it counts, taken from the front of `bytes`.
std::optional<std::string_view> take(std::string_view& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::size_t size = 0;
  for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  bytes.remove_prefix(4);
  if (size > bytes.size()) return std::nullopt;
  const auto taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return taken;
}

}  // namespace

SshKey::~SshKey() {
  OPENSSL_cleanse(private_key.data(), private_key.size());
}

std::string_view short_name(KeyType type) {
  return type == KeyType::ed25519 ? "ed25519" : type == KeyType::ecdsa_p256 ? "ecdsa" : "rsa";
}

Result<SshKey> make_ssh_key(KeyType type) {
  ERR_clear_error();
  constexpr std::size_t rsa_bits = 3072;
  const Key key(type == KeyType::ed25519      ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                : type == KeyType::ecdsa_p256 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                              : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", rsa_bits));
  if (!key) return openssl_failure("cannot make an ssh key of type " + std::string(short_name(type)));
  Parts parts;
  ANYVISOR_CHECK(type == KeyType::ed25519      ? take_ed25519(key.get(), parts)
                 : type == KeyType::ecdsa_p256 ? take_ecdsa(key.get(), parts)
                                               : take_rsa(key.get(), parts));
  SshKey made;
  made.type = type;
  ANYVISOR_TRY(made.private_key, armour(parts));
  made.public_key = public_line(parts.public_part);
  return made;
}

Result<std::string> public_line_of(std::string_view text) {
  const auto begin = text.find(head.substr(0, head.size() - 1));
  const auto end = text.find(foot.substr(0, foot.size() - 1));
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin + head.size())
    return fail(ErrorKind::unsupported, "this is no private key in OpenSSH's format");
  Secret code(text.size());
  for (const char c : text.substr(begin + head.size(), end - begin - head.size()))
    if (c != '\n' && c != '\r' && c != ' ') code.text() += c;
  Secret whole(code.text().size());
  whole.text().resize(code.text().size());
  const int size = EVP_DecodeBlock(whole.bytes(), code.bytes(), static_cast<int>(code.text().size()));
  const auto damaged = [] { return fail(ErrorKind::corrupted, "this private key is damaged"); };
  if (size < 0) return damaged();
  std::string_view bytes(whole.text().data(), static_cast<std::size_t>(size));
  if (!bytes.starts_with(magic)) return damaged();
  bytes.remove_prefix(magic.size());
  const auto cipher = take(bytes), derivation = take(bytes), options = take(bytes);
  if (!cipher || !derivation || !options || bytes.size() < 4) return damaged();
  if (*cipher != "none") return fail(ErrorKind::unsupported, "this private key has a passphrase");
  bytes.remove_prefix(4);  // how many keys: always one
  const auto public_part = take(bytes);
  if (!public_part || !take(bytes)) return damaged();
  std::string_view rest = *public_part;
  const auto name = take(rest);
  if (!name || name->empty() || name->size() > 255) return damaged();
  return public_line(*public_part);
}

}  // namespace anyvisor
