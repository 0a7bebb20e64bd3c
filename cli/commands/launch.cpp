// SPDX-License-Identifier: MIT
// anyvisor launch: from words to a LaunchRequest, and to Manager::launch.
#include <sys/stat.h>

#include <array>

#include "arguments.hpp"
#include "command.hpp"
#include "commands/instances.hpp"
#include "commands/publish.hpp"
#include "commands/user_data.hpp"
#include "commands/wait.hpp"
#include "output/json.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr std::array options{
    Option{"name", 'n', "NAME", "What to call it (default: a free name is made up)"},
    Option{"cpus", 'c', "N", "Virtual CPUs (default: 1)"},
    Option{"memory", 'm', "SIZE", "Memory, for instance 512M or 2.5G (default: 1G)"},
    Option{"disk", 'd', "SIZE", "Size of the disk; never less than the image's (default: the image's)"},
    Option{"publish", 'p', "[ADDRESS:]HOST:GUEST[/udp]",
           "Let a port of this machine lead into the guest; HOST 0: any free one", true},
    Option{"network", 0, "user|restricted|none",
           "user: out through this machine; restricted: reaches nothing outside, published ports work (default: user)"},
    Option{"firmware", 0, "auto|kernel|bios|uefi",
           "How it boots (default: auto, the image's kernel when it has one, else uefi)"},
    Option{"cmdline", 0, "TEXT", "Added to the image's kernel command line"},
    Option{"cloud-init", 0, "FILE|-",
           "User data for the guest's cloud-init: #cloud-config, a script, MIME, ...; -: from standard input"},
    wait_option,
    wait_timeout_option,
    Option{"backend", 0, "ID", "The plugin that runs it (default: the only one, or the usual one)"},
};

constexpr const char* details =
    "IMAGE is the name or id of an image, or what an image store brings now: debian:bookworm, debian:13, ... It may be "
    "left\n"
    "out when there is only one; debian:bookworm is brought when there is none. The instance is started.\n"
    "\n"
    "  anyvisor launch debian:bookworm --name web --memory 2G --cpus 2 --publish 8080:80\n"
    "  anyvisor launch debian:12 --network restricted\n"
    "  anyvisor launch debian:13 --cloud-init setup.yaml\n"
    "\n"
    "A guest that runs cloud-init gets the instance's name as its hostname, a user who is reached by ssh with the "
    "home\n"
    "folder's key, and host keys that are known before its first boot; --cloud-init adds to that. Its launch ends "
    "when\n"
    "its ssh server answers, unless --wait says otherwise.";

Firmware firmware_of(const std::string& text) {
  if (text == "kernel") return Firmware::kernel;
  if (text == "bios") return Firmware::bios;
  return text == "uefi" ? Firmware::uefi : Firmware::automatic;
}

// Without IMAGE: the only one there is, or the one that every machine can bring.
std::string default_image(Manager& manager) {
  constexpr const char* usual = "debian:bookworm";
  const auto images = value_of(manager.images());
  if (images.empty()) return usual;
  if (images.size() == 1) return images.front().name;
  Error error;
  error.kind = ErrorKind::ambiguous;
  error.message = "there are several images, and none is named";
  error.hint = "name one of:";
  for (const auto& image : images) error.hint += " " + image.name;
  throw Failed(std::move(error));
}

LaunchRequest read_request(const Arguments& arguments) {
  LaunchRequest request;
  request.name = arguments.value("name");
  if (arguments.has("name") && request.name.empty()) throw UsageError("--name needs a name", "");
  request.backend = arguments.value("backend");
  request.cpus = arguments.number("cpus", request.cpus, 1);
  request.memory = arguments.size("memory", request.memory);
  request.disk = arguments.size("disk", request.disk);
  request.firmware = firmware_of(arguments.choice("firmware", {"auto", "kernel", "bios", "uefi"}, "auto"));
  request.command_line = arguments.value("cmdline");
  request.wait = read_wait(arguments, "");
  if (arguments.has("cloud-init")) request.user_data = read_user_data(arguments.value("cloud-init"));
  const std::string network = arguments.choice("network", {"user", "restricted", "none"}, "user");
  NetworkRequest attachment;
  attachment.restricted = network == "restricted";
  for (const auto& text : arguments.values("publish")) attachment.publish.push_back(parse_publish(text));
  if (network == "none" && !attachment.publish.empty())
    throw UsageError("--publish needs a network",
                     "use --network restricted to keep the guest from reaching anything outside");
  request.networks.emplace();
  if (network != "none") request.networks->push_back(std::move(attachment));
  return request;
}

int run(Session& session, const Arguments& arguments) {
  LaunchRequest request = read_request(arguments);
  Manager& manager = session.manager();
  request.image = arguments.positional().empty() ? default_image(manager) : arguments.positional().front();
  auto result =
      session.perform("launching " + (request.name.empty() ? "an instance of " + request.image : request.name),
                      [&](Operation& operation) { return manager.launch(request, operation); });
  struct stat status {};
  if (!result && result.error().kind == ErrorKind::not_found && ::stat(request.image.c_str(), &status) == 0 &&
      S_ISREG(status.st_mode))
    result.error().hint = "that is a file: bring it first with: anyvisor image import " + request.image;
  const InstanceInfo info = value_of(std::move(result));
  if (session.structured()) session.answer(json_text(info));
  const std::string ports = published_ports(info);
  session.tell("Launched " + info.name + (ports.empty() ? "" : ", " + ports));
  if (!info.warning.empty()) warn(info.warning, session.json());
  session.tell("Its console: anyvisor logs " + info.name);
  return 0;
}

}  // namespace

extern const Command launch_command;
constinit const Command launch_command{
    "Instances", "launch", nullptr, "[IMAGE]", "Make an instance from an image and start it",
    details,     0,        1,       options,   run};

}  // namespace anyvisor::cli
