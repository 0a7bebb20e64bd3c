// SPDX-License-Identifier: MIT
#include "log.hpp"

#include <anyvisor/plugin.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

namespace anyvisor::host {
namespace {

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance;
  return instance;
}

}  // namespace

void open_log(const std::string& file) {
  try {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (!file.empty())
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    else if (std::getenv("ANYVISOR_LOG"))
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      return;
    logger() = std::make_shared<spdlog::logger>("plugin-host", std::move(sink));
    logger()->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ [%l] [%P] %v", spdlog::pattern_time_type::utc);
    logger()->set_level(std::getenv("ANYVISOR_LOG") ? spdlog::level::debug : spdlog::level::info);
    logger()->flush_on(spdlog::level::debug);
  } catch (const std::exception&) {
    logger().reset();  // a log that cannot be opened (disk full, no permission) keeps nobody from running
  }
}

void write_log(int level, const std::string& line) {
  if (!logger()) return;
  auto severity = level == ANYVISOR_LOG_ERROR     ? spdlog::level::err
                  : level == ANYVISOR_LOG_WARNING ? spdlog::level::warn
                  : level == ANYVISOR_LOG_INFO    ? spdlog::level::info
                                                  : spdlog::level::debug;
  logger()->log(severity, "{}", line);
}

}  // namespace anyvisor::host
