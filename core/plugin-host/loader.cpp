// SPDX-License-Identifier: MIT
#include "loader.hpp"

#include <algorithm>
#include <boost/dll/library_info.hpp>
#include <boost/dll/shared_library.hpp>
#include <cstring>
#include <fstream>
#include <list>

#include "call_context.hpp"
#include "document/schema.hpp"
#include "plugin/discovery.hpp"

namespace anyvisor::host {
namespace {

constexpr std::size_t longest_text = 4096;        // of a descriptor's strings
constexpr std::size_t longest_schema = 1u << 20;  // bytes
constexpr std::size_t most_interfaces = 64;
constexpr std::string_view entry_prefix = "anyvisor_plugin_entry_v";

tl::unexpected<Error> broken(const std::string& path, const std::string& why) {
  return fail(ErrorKind::invalid_argument, path + ": " + why,
              "tell the plugin's author: this breaks the plugin contract");
}

// Copies a struct of the plugin's size over zeroes. std::nullopt: its size cannot be right.
template <class Struct>
std::optional<Struct> copy_struct(const void* source) {
  std::uint32_t size = 0;
  std::memcpy(&size, source, sizeof size);
  // Larger than any struct will grow: garbage, and copying would read beyond it.
  if (size < offsetof(Struct, struct_size) + sizeof size || size % alignof(Struct) != 0 || size > 64 * 1024)
    return std::nullopt;
  Struct copy{};
  std::memcpy(static_cast<void*>(&copy), source, std::min<std::size_t>(size, sizeof copy));
  return copy;
}

bool is_text(const char* text, std::size_t longest) {
  if (!text) return false;
  std::size_t length = strnlen(text, longest + 1);
  return length <= longest && json::valid_utf8({text, length}) == std::string_view(text, length);
}

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 32 && id.front() >= 'a' && id.front() <= 'z' &&
         std::ranges::all_of(id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// The first bytes of an ELF file: what it is, and for which machine.
std::string elf_header(const std::string& path) {
  std::string header(20, '\0');
  std::ifstream(path, std::ios::binary).read(header.data(), static_cast<std::streamsize>(header.size()));
  return header;
}

// dlopen() tells of these as of missing files.
Result<void> check_elf(const std::string& path) {
  const std::string own = elf_header("/proc/self/exe"), header = elf_header(path);
  constexpr std::size_t magic = 4, kind = 6,
                        machine = 18;  // offsets: behind the magic, behind class and byte order, e_machine
  if (header.compare(0, magic, own, 0, magic) != 0)
    return fail(ErrorKind::corrupted, path + " is no shared object", "remove it from the plugin folder");
  if (header.compare(magic, kind - magic, own, magic, kind - magic) != 0 ||
      header.compare(machine, 2, own, machine, 2) != 0)
    return fail(ErrorKind::unsupported, path + " was built for another kind of machine",
                "install a build of the plugin for this one");
  return {};
}

// Boost wraps what dlerror() said in words of its own.
std::string load_failure(const std::exception& exception) {
  const std::string text = exception.what(), before = "dlerror system message: ", after = "): ";
  const auto begin = text.find(before), end = text.rfind(after);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return text;
  return text.substr(begin + before.size(), end - begin - before.size());
}

Result<void> look_for_entry(const std::string& path) {
  ANYVISOR_CHECK(check_elf(path));
  std::vector<std::string> symbols;
  try {
    symbols = boost::dll::library_info(path).symbols();
  } catch (const std::exception& exception) {
    return fail(ErrorKind::corrupted, path + " is no shared object, or a damaged one: " + exception.what(),
                "remove it, or install the plugin anew");
  }
  if (std::ranges::find(symbols, ANYVISOR_ENTRY_SYMBOL) != symbols.end()) return {};
  for (const auto& symbol : symbols)
    if (symbol.starts_with(entry_prefix))
      return fail(ErrorKind::unsupported,
                  path + " was built for plugin ABI " + symbol.substr(entry_prefix.size()) +
                      ", and this anyvisor speaks " + std::to_string(ANYVISOR_ABI_MAJOR),
                  "install a build of the plugin for this version");
  return fail(ErrorKind::corrupted, path + " is no anyvisor plugin: it exports no " ANYVISOR_ENTRY_SYMBOL,
              "remove it from the plugin folder");
}

template <class Table>
Result<std::optional<Table>> take_table(const anyvisor_plugin& plugin, const std::string& path, const char* id,
                                        const std::vector<std::string>& interfaces) {
  if (std::ranges::find(interfaces, id) == interfaces.end()) return std::optional<Table>();
  const void* table = plugin.find(id);
  if (!table) return broken(path, std::string("it lists the interface ") + id + " and then does not have it");
  auto copy = copy_struct<Table>(table);
  if (!copy) return broken(path, std::string("the table of ") + id + " has an impossible struct_size");
  return std::optional<Table>(*copy);
}

Result<LoadedPlugin> read_descriptor(const std::string& path, const anyvisor_plugin* given) {
  if (!given) return broken(path, "its entry returned no descriptor");
  auto copy = copy_struct<anyvisor_plugin>(given);
  if (!copy) return broken(path, "its descriptor has the impossible struct_size " + std::to_string(given->struct_size));
  const anyvisor_plugin& descriptor = *copy;
  if (descriptor.abi_major != ANYVISOR_ABI_MAJOR)
    return broken(path, "its entry is for ABI " + std::to_string(ANYVISOR_ABI_MAJOR) + ", its descriptor for " +
                            std::to_string(descriptor.abi_major));
  for (auto [name, text] : {std::pair{"id", descriptor.id},
                            {"version", descriptor.version},
                            {"summary", descriptor.summary},
                            {"license", descriptor.license}}) {
    if (!text) return broken(path, std::string("the ") + name + " of its descriptor is missing");
    if (!is_text(text, longest_text))
      return broken(path, std::string("the ") + name + " of its descriptor is over 4096 bytes, or no UTF-8");
  }
  if (!is_id(descriptor.id))
    return broken(path, std::string("its id \"") + descriptor.id + "\" is no [a-z][a-z0-9-]{0,31}");
  std::string from_name = plugin_id_of_file_name(path.substr(path.rfind('/') + 1));
  if (from_name != descriptor.id)
    return broken(path, std::string("its id is \"") + descriptor.id + "\": the file has to be named anyvisor-" +
                            descriptor.id + ".so");
  if (!descriptor.interfaces) return broken(path, "its descriptor lists no interfaces");
  if (!descriptor.find) return broken(path, "its descriptor has no find()");

  LoadedPlugin plugin;
  plugin.path = path;
  plugin.id = descriptor.id;
  plugin.version = descriptor.version;
  plugin.summary = descriptor.summary;
  plugin.license = descriptor.license;
  plugin.abi = std::to_string(descriptor.abi_major) + "." + std::to_string(descriptor.abi_minor);
  for (std::size_t i = 0; descriptor.interfaces[i]; ++i) {
    if (i == most_interfaces || !is_text(descriptor.interfaces[i], longest_text))
      return broken(path, "its list of interfaces has no end");
    plugin.interfaces.emplace_back(descriptor.interfaces[i]);
  }
  if (descriptor.settings_schema) {
    if (!is_text(descriptor.settings_schema, longest_schema))
      return broken(path, "its settings schema is over 1 MiB, or no UTF-8");
    plugin.settings_schema = descriptor.settings_schema;
    if (auto schema = json::parse_object(plugin.settings_schema, "its settings schema"); !schema)
      return broken(path, schema.error().message);
  }
  ANYVISOR_TRY(plugin.backend,
               take_table<anyvisor_backend_draft1>(descriptor, path, ANYVISOR_BACKEND_ID, plugin.interfaces));
  ANYVISOR_TRY(plugin.image_store,
               take_table<anyvisor_image_store_draft1>(descriptor, path, ANYVISOR_IMAGE_STORE_ID, plugin.interfaces));
  ANYVISOR_TRY(plugin.network,
               take_table<anyvisor_network_draft1>(descriptor, path, ANYVISOR_NETWORK_ID, plugin.interfaces));
  if (!plugin.backend && !plugin.image_store && !plugin.network)
    return fail(ErrorKind::unsupported, path + " offers no interface that this anyvisor knows",
                "install a newer anyvisor");
  if (descriptor.abi_minor > ANYVISOR_ABI_MINOR)
    for (const auto& interface : plugin.interfaces)
      if (interface != ANYVISOR_BACKEND_ID && interface != ANYVISOR_IMAGE_STORE_ID && interface != ANYVISOR_NETWORK_ID)
        return fail(ErrorKind::unsupported,
                    path + " was built for plugin ABI " + plugin.abi + " and asks for " + interface +
                        ", which is newer than this anyvisor",
                    "install a newer anyvisor");
  if (plugin.backend) {
    const auto& t = *plugin.backend;
    if (!t.open || !t.close || !t.capabilities || !t.attach || !t.detach || !t.create || !t.adopt || !t.boot ||
        !t.terminate || !t.state)
      return broken(path, "a function that every backend must have is NULL");
  }
  if (plugin.image_store && (!plugin.image_store->open || !plugin.image_store->close || !plugin.image_store->resolve ||
                             !plugin.image_store->fetch))
    return broken(path, "a function that every image store must have is NULL");
  if (plugin.network &&
      (!plugin.network->open || !plugin.network->close || !plugin.network->acquire || !plugin.network->release))
    return broken(path, "a function that every network must have is NULL");
  return plugin;
}

}  // namespace

Result<LoadedPlugin> load_plugin(const std::string& path) {
  ANYVISOR_CHECK(look_for_entry(path));
  try {
    // Never unloaded, on purpose: code, static data and threads of a plugin stay valid until the process ends. The
    // list, which is never destroyed, keeps leak checkers quiet about it.
    static auto* const loaded = new std::list<boost::dll::shared_library>;
    const auto& library =
        loaded->emplace_back(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    auto* entry = &library.get<const anyvisor_plugin*()>(ANYVISOR_ENTRY_SYMBOL);
    return read_descriptor(path, entry());
  } catch (const std::exception& exception) {
    return fail(ErrorKind::corrupted, path + " cannot be loaded: " + load_failure(exception),
                "install what it needs, or the plugin anew");
  }
}

json::Document describe(const LoadedPlugin& plugin) {
  auto document = json::make_object();
  json::set(document, document, "path", plugin.path);
  json::set(document, document, "id", plugin.id);
  json::set(document, document, "version", plugin.version);
  json::set(document, document, "summary", plugin.summary);
  json::set(document, document, "license", plugin.license);
  json::set(document, document, "abi", plugin.abi);
  json::set(document, document, "interfaces", plugin.interfaces);
  if (plugin.settings_schema.empty())
    json::set_null(document, document, "settings_schema");
  else
    json::set(document, document, "settings_schema", plugin.settings_schema);
  return document;
}

}  // namespace anyvisor::host
