// SPDX-License-Identifier: MIT
#include "identity/user_data.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <vector>

#include "document/json.hpp"
#include "identity/ssh_key.hpp"

namespace anyvisor {
namespace {

constexpr const char* field = "/user_data";

tl::unexpected<Error> refuse(const std::string& what, std::string hint) {
  return fail(ErrorKind::invalid_argument, "the cloud-init user data " + what, std::move(hint), field);
}

// How cloud-init tells what it got: by its first characters, whatever their case (cloudinit/handlers/__init__.py), and
// MIME by a header near its beginning (cloudinit/user_data.py).
constexpr std::array<std::string_view, 8> opaque_starts = {
    "## template: jinja", "#!",           "#include", "#cloud-config-archive", "#cloud-config-jsonp", "#cloud-boothook",
    "#part-handler",      "#upstart-job",
};
constexpr std::string_view mime_header = "mime-version:";
constexpr std::size_t mime_headers_end = 4096;

std::string lower(std::string_view text) {
  std::string low(text);
  std::ranges::transform(low, low.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return low;
}

std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
  return line;
}

std::string place(const YAML::Mark& mark) {
  return mark.is_null() ? std::string()
                        : "line " + std::to_string(mark.line + 1) + ", column " + std::to_string(mark.column + 1);
}

tl::unexpected<Error> refuse_at(const YAML::Mark& mark, const std::string& what, std::string hint) {
  const std::string where = place(mark);
  return refuse(what + (where.empty() ? "" : " (" + where + ")"), std::move(hint));
}

// The value of a key of a map; the last of several, as for cloud-init. Undefined (false) when there is none.
YAML::Node value_of(const YAML::Node& map, std::string_view key) {
  YAML::Node found(YAML::NodeType::Undefined);
  if (map.IsMap())
    for (const auto& member : map)
      if (member.first.IsScalar() && member.first.Scalar() == key) found.reset(member.second);
  return found;
}

// What PyYAML and cloud-init take for false.
bool is_false(const YAML::Node& node) {
  if (node.IsNull()) return true;
  if (!node.IsScalar()) return false;
  const std::string text = lower(node.Scalar());
  return text == "false" || text == "no" || text == "off" || text == "0";
}

Result<void> read_user(const YAML::Node& config, UserData& data) {
  const YAML::Node user = value_of(config, "user");
  if (!user.IsDefined() || user.IsNull()) return {};
  const YAML::Node name = user.IsMap() ? value_of(user, "name") : user;
  if (!name.IsDefined()) return {};
  if (!name.IsScalar() || !is_user_name(name.Scalar()))
    return refuse_at(name.Mark(), "names a user that anyvisor cannot log in as",
                     "give \"user\" a name of letters, digits, '-', '_' and '.'");
  data.user = name.Scalar();
  return {};
}

// Keys that it brings itself are pinned in place of ours.
Result<void> read_host_keys(const YAML::Node& config, UserData& data) {
  const YAML::Node keys = value_of(config, "ssh_keys");
  if (!keys.IsDefined() || keys.IsNull()) return {};
  const char* hint = "give it \"ed25519_private\" and \"ed25519_public\" and the like, or leave it to anyvisor";
  if (!keys.IsMap()) return refuse_at(keys.Mark(), "has \"ssh_keys\" that is no map", hint);
  for (const auto& member : keys) {
    if (!member.first.IsScalar() || !member.second.IsScalar())
      return refuse_at(member.first.Mark(), "has an unknown kind of host key in \"ssh_keys\"", hint);
    const std::string name = member.first.Scalar(), type = name.substr(0, name.find('_'));
    if (name != type + "_private") continue;
    auto line = public_line_of(member.second.Scalar());
    if (!line) {  // of another format: then its public half is needed in words
      const YAML::Node open = value_of(keys, type + "_public");
      if (!open.IsDefined() || !open.IsScalar() || open.Scalar().empty())
        return refuse_at(member.first.Mark(), "has a host key \"" + name + "\" without its public half",
                         "add \"" + type + "_public\"");
      std::string text = first_line(open.Scalar());
      const auto second = text.find(' ', std::min(text.size(), text.find(' ') + 1));
      data.host_keys[type] = text.substr(0, second);
      continue;
    }
    data.host_keys[type] = *line;
  }
  return {};
}

// Ours is vendor-data: without it the guest has other host keys than those that are pinned.
Result<void> check_vendor_data(const YAML::Node& config) {
  const YAML::Node vendor = value_of(config, "vendor_data");
  if (!vendor.IsDefined()) return {};
  const YAML::Node enabled = vendor.IsMap() ? value_of(vendor, "enabled") : YAML::Node(YAML::NodeType::Undefined);
  if (vendor.IsMap() && (!enabled.IsDefined() || !is_false(enabled))) return {};
  return refuse_at(vendor.Mark(), "turns \"vendor_data\" off, by which anyvisor brings the guest's host keys",
                   "leave \"vendor_data\" out");
}

Result<void> read_cloud_config(UserData& data) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(data.text);
    if (documents.size() > 1)
      return refuse("holds several YAML documents", "leave the lines \"---\" out, or make it a MIME multi-part");
    if (documents.empty() || documents.front().IsNull()) return {};
    const YAML::Node& config = documents.front();
    if (!config.IsMap())
      return refuse_at(config.Mark(), "is no map of settings", "a #cloud-config has lines such as \"packages: [...]\"");
    ANYVISOR_CHECK(check_vendor_data(config));
    ANYVISOR_CHECK(read_user(config, data));
    return read_host_keys(config, data);
  } catch (const YAML::Exception& error) {
    return refuse_at(error.mark, "is no valid YAML: " + error.msg, "mend it there; nothing was changed");
  } catch (const std::exception& error) {
    return refuse(std::string("cannot be read: ") + error.what(), "mend it; nothing was changed");
  }
}

}  // namespace

bool is_user_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= 32 && is_letter(name.front()) && std::ranges::all_of(name, [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

Result<UserData> read_user_data(std::string text) {
  if (text.size() > largest_user_data)
    return refuse("is too large: " + std::to_string(text.size()) + " bytes, at most " +
                      std::to_string(largest_user_data) + " are possible",
                  "let the guest fetch what is large, or copy it there afterwards");
  if (json::valid_utf8(text) != text || text.find('\0') != std::string::npos)
    return refuse("is no text in UTF-8", "compressed and binary data go into a MIME multi-part as base64");
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return refuse("is empty", "leave it out, or begin it with the line #cloud-config");
  UserData data;
  data.text = std::move(text);
  const std::string line = first_line(data.text.substr(begin)), low = lower(line);
  if (low == "#cloud-config" || low.starts_with("#cloud-config ") || low.starts_with("#cloud-config\t")) {
    data.is_cloud_config = true;
    ANYVISOR_CHECK(read_cloud_config(data));
    return data;
  }
  const bool known = std::ranges::any_of(opaque_starts, [&](std::string_view start) { return low.starts_with(start); });
  if (known || lower(data.text.substr(0, mime_headers_end)).find(mime_header) != std::string::npos) return data;
  constexpr std::size_t shown = 40;
  return refuse("is nothing that cloud-init knows: it begins with \"" + json::valid_utf8(line.substr(0, shown)) +
                    (line.size() > shown ? "...\"" : "\""),
                "a configuration begins with the line #cloud-config, a script with #!");
}

}  // namespace anyvisor
