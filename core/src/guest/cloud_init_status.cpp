// SPDX-License-Identifier: MIT
#include "guest/cloud_init_status.hpp"

#include <sstream>

namespace anyvisor {
namespace {

constexpr int not_installed = 127, recoverable_errors = 2;
constexpr std::size_t longest_detail = 400;

// "status: error" with everything behind it that is no time and no code, in one line. What is printed while it waits
// are dots.
struct Told {
  std::string status, detail;
};

Told read_status(const std::string& output) {
  Told told;
  std::istringstream lines(output);
  bool in_detail = false;
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, std::min(line.find_first_not_of(" .\t\r"), line.size()));
    if (line.starts_with("status:")) {
      told.status = line.substr(std::min(line.find_first_not_of(' ', 7), line.size()));
    } else if (line.starts_with("detail:") || line.starts_with("errors:") || line.starts_with("recoverable_errors:")) {
      in_detail = true;
      line.erase(0, line.find(':') + 1);
    }
    if (in_detail && !line.starts_with("status:") && !line.empty() && line != " []" && line != " {}")
      told.detail += (told.detail.empty() ? "" : " ") + line;
  }
  if (told.detail.size() > longest_detail) told.detail = told.detail.substr(0, longest_detail) + " ...";
  return told;
}

}  // namespace

Result<WaitResult> judge_cloud_init(const std::string& instance, const Captured& answer) {
  const std::string name = "\"" + instance + "\"";
  const std::string look = "what it did: anyvisor exec " + instance + " -- sudo cat /var/log/cloud-init-output.log";
  if (answer.status == not_installed)
    return fail(ErrorKind::unsupported, "there is no cloud-init in the guest of " + name, "wait --for ssh instead");
  const Told told = read_status(answer.output);
  const std::string behind = told.detail.empty() ? "" : ": " + told.detail;
  if (told.status == "disabled")
    return fail(ErrorKind::unsupported, "cloud-init is switched off in the guest of " + name + behind,
                "wait --for ssh instead");
  if (answer.status == 0 && told.status.starts_with("done")) return WaitResult{};
  if (answer.status == recoverable_errors && told.status.find("done") != std::string::npos)
    return WaitResult{"cloud-init in " + name + " had errors that it could get over" + behind};
  return fail(ErrorKind::backend_failed,
              "cloud-init in " + name + " failed (" + (told.status.empty() ? "no status" : told.status) +
                  ", exit code " + std::to_string(answer.status) + ")" + behind,
              look);
}

}  // namespace anyvisor
