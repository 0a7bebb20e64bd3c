// SPDX-License-Identifier: MIT
#include "seed.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>

#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"

namespace anyvisor::host {
namespace {

constexpr std::size_t sector = 2048;
constexpr std::size_t primary_descriptor = 16 * sector, supplementary_descriptor = 17 * sector, notes = 19 * sector;
constexpr std::size_t dates = 813, dates_end = 881;  // in a descriptor: made, changed, expires, effective from
constexpr std::size_t root_record = 156;             // in a descriptor: that of its root folder
constexpr std::size_t record_date = 18, record_date_size = 7;

struct Free {
  void operator()(archive* a) const { archive_write_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};

tl::unexpected<Error> libarchive_failure(archive* a) {
  const char* reason = archive_error_string(a);
  return fail(ErrorKind::backend_failed,
              std::string("cannot make the seed's disk image: ") + (reason ? reason : "libarchive does not say why"),
              "it needs some room in the folder of temporary files");
}

la_ssize_t append(archive*, void* out, const void* bytes, std::size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::size_t byte_at(const std::string& image, std::size_t at) {
  return at < image.size() ? static_cast<unsigned char>(image[at]) : 0;
}

// The date of one record of a folder, and the times that Rock Ridge keeps behind its name.
void blank_record(std::string& image, std::size_t at) {
  const std::size_t length = byte_at(image, at), name = byte_at(image, at + 32);
  if (length < 34 || at + length > image.size()) return;
  std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(at + record_date), record_date_size, '\0');
  std::size_t entry = at + 33 + name + (name % 2 == 0 ? 1 : 0);
  while (entry + 4 <= at + length && byte_at(image, entry + 2) >= 4) {
    const std::size_t size = byte_at(image, entry + 2);
    if (image.compare(entry, 2, "TF") == 0 && entry + size <= at + length)
      for (std::size_t i = entry + 5; i < entry + size; ++i) image[i] = '\0';
    entry += size;
  }
}

// libarchive writes the present time into the descriptors and the root folder, and notes about itself into a sector
// that nothing reads.
void blank_times(std::string& image) {
  for (const std::size_t descriptor : {primary_descriptor, supplementary_descriptor}) {
    if (image.size() < descriptor + sector || image.compare(descriptor + 1, 5, "CD001") != 0) continue;
    for (std::size_t i = dates; i < dates_end; ++i) image[descriptor + i] = (i - dates) % 17 == 16 ? '\0' : '0';
    const std::size_t record = descriptor + root_record;
    std::size_t extent = 0;
    for (std::size_t i = 4; i-- > 0;) extent = extent << 8 | byte_at(image, record + 2 + i);
    blank_record(image, record);
    const std::size_t self = extent * sector;
    blank_record(image, self);
    blank_record(image, self + byte_at(image, self));  // the one that leads up: itself again
  }
  if (image.size() >= notes + sector && image.compare(notes, 4, "INFO") == 0)
    std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(notes), sector, '\0');
}

Result<void> add_file(archive* a, const std::string& name, const std::string& text) {
  const std::unique_ptr<archive_entry, Free> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0400);  // ssh host keys are in there
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(text.size()));
  for (auto* set :
       {archive_entry_set_mtime, archive_entry_set_atime, archive_entry_set_ctime, archive_entry_set_birthtime})
    set(entry.get(), 0, 0);
  if (archive_write_header(a, entry.get()) != ARCHIVE_OK) return libarchive_failure(a);
  if (archive_write_data(a, text.data(), text.size()) != static_cast<la_ssize_t>(text.size()))
    return libarchive_failure(a);
  return {};
}

}  // namespace

Result<std::string> make_seed(const SeedFiles& files) {
  std::string image;
  const std::unique_ptr<archive, Free> a(archive_write_new());
  if (archive_write_set_format_iso9660(a.get()) != ARCHIVE_OK ||
      archive_write_set_options(a.get(), "volume-id=cidata,rockridge=strict,joliet,!pad") != ARCHIVE_OK ||
      archive_write_set_bytes_per_block(a.get(), sector) != ARCHIVE_OK ||
      archive_write_open(a.get(), &image, nullptr, append, nullptr) != ARCHIVE_OK)
    return libarchive_failure(a.get());
  for (const auto& [name, text] : files) {
    if (!is_file_name(name))
      return fail(ErrorKind::invalid_argument, "\"" + name + "\" cannot be the name of a file in a seed", {}, "/files");
    ANYVISOR_CHECK(add_file(a.get(), name, text));
  }
  if (archive_write_close(a.get()) != ARCHIVE_OK) return libarchive_failure(a.get());
  blank_times(image);
  return image;
}

Result<json::Document> write_seed(const std::string& folder, const json::Value& params) {
  const auto* given = json::object_or_null(params, "files");
  if (!given || given->ObjectEmpty()) return fail(ErrorKind::invalid_argument, "a seed needs its files", {}, "/files");
  SeedFiles files;
  for (const auto& file : given->GetObject()) {
    if (!file.value.IsString())
      return fail(ErrorKind::invalid_argument, "a file of a seed is a text", {},
                  std::string("/files/") + file.name.GetString());
    files.emplace_back(std::string(file.name.GetString(), file.name.GetStringLength()),
                       std::string(file.value.GetString(), file.value.GetStringLength()));
  }
  DurableStep step("seed.write");  // around libarchive too: it has a temporary file that it removes
  ANYVISOR_TRY(const std::string image, make_seed(files));
  ANYVISOR_CHECK(write_file_atomically(folder, "seed.iso", image, "seed.file"));
  return json::make_object();
}

}  // namespace anyvisor::host
