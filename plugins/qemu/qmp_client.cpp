// SPDX-License-Identifier: MIT
#include "qmp_client.hpp"

#include <algorithm>

namespace anyvisor::qemu {
namespace {

json::Document copy_of(const json::Value& value) {
  json::Document copy;
  copy.CopyFrom(value, copy.GetAllocator());
  return copy;
}

}  // namespace

QmpClient::QmpClient(QmpConnection connection) : connection_(std::move(connection)) {}

void QmpClient::negotiate() {
  abandoned_.insert(send("qmp_capabilities"));
}

std::string QmpClient::next_line(const std::string& command, std::string_view arguments) {
  const CommandId id = next_id_++;
  std::string line = R"({"execute":")" + command + '"';
  if (!arguments.empty()) line.append(R"(,"arguments":)").append(arguments);
  line += R"(,"id":)" + std::to_string(id) + '}';
  pending_[id] = command;
  return line;
}

QmpClient::CommandId QmpClient::send(const std::string& command, std::string_view arguments) {
  connection_.queue(next_line(command, arguments));
  return next_id_ - 1;
}

json::Document QmpClient::execute_with_descriptor(const sdk::Context& context, const std::string& command,
                                                  std::string_view arguments, int descriptor) {
  const std::string line = next_line(command, arguments);
  const CommandId id = next_id_ - 1;
  connection_.send_with_descriptor(context, line, descriptor);
  return wait(context, id);
}

json::Document QmpClient::wait(const sdk::Context& context, CommandId id) {
  while (!replies_.contains(id)) {
    try {
      handle(connection_.wait_line(context));
    } catch (const ConnectionLost&) {
      throw;
    } catch (const sdk::Failure&) {
      if (pending_.contains(id)) abandoned_.insert(id);
      throw;
    }
  }
  json::Document reply = std::move(replies_.at(id));
  replies_.erase(id);
  std::string command = pending_.at(id);
  pending_.erase(id);
  if (const auto* error = json::object_or_null(reply, "error"))
    throw QmpError(command, json::string_or(*error, "class"), json::string_or(*error, "desc", "no reason given"));
  return copy_of(reply["return"]);
}

void QmpClient::wait_closed(const sdk::Context& context) {
  try {
    while (true) handle(connection_.wait_line(context));
  } catch (const ConnectionLost&) {
  }
}

void QmpClient::wait_event(const sdk::Context& context, const std::string& name) {
  auto here = [&](const QmpEvent& event) { return event.name == name; };
  while (std::none_of(events_.begin(), events_.end(), here)) handle(connection_.wait_line(context));
}

void QmpClient::forget_events(const std::string& name) {
  std::erase_if(events_, [&](const QmpEvent& event) { return event.name == name; });
}

void QmpClient::drain() {
  while (auto line = connection_.try_line()) handle(*line);
}

QmpEvent QmpClient::take_event() {
  QmpEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void QmpClient::handle(const std::string& line) {
  json::Document message;
  message.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
  if (message.HasParseError() || !message.IsObject()) malformed(line);
  if (const auto* greeting = json::object_or_null(message, "QMP")) return greet(*greeting);
  if (!greeted_) malformed(line);
  if (const auto* event = json::find(message, "event")) {
    if (!event->IsString()) malformed(line);
    const auto* data = json::object_or_null(message, "data");
    events_.push_back({event->GetString(), data ? copy_of(*data) : json::make_object()});
    return;
  }
  CommandId id = json::uint_or(message, "id", 0);
  bool refused = json::object_or_null(message, "error") != nullptr;
  // A reply that belongs to nothing that was asked: the two sides disagree, so nothing after it can be trusted.
  if ((!refused && !json::find(message, "return")) || !pending_.contains(id) || replies_.contains(id)) malformed(line);
  if (abandoned_.erase(id) > 0) {
    std::string command = pending_.at(id);
    pending_.erase(id);
    if (refused && command == "qmp_capabilities")
      throw ConnectionLost("QEMU refused qmp_capabilities: " + json::string_or(message["error"], "desc"));
    return;
  }
  replies_[id] = std::move(message);
}

void QmpClient::greet(const json::Value& greeting) {
  greeted_ = true;
  const auto* version = json::object_or_null(greeting, "version");
  const auto* qemu = version ? json::object_or_null(*version, "qemu") : nullptr;
  if (!qemu) throw ConnectionLost("QEMU's QMP greeting names no version");
  version_ = std::to_string(json::uint_or(*qemu, "major", 0)) + '.' + std::to_string(json::uint_or(*qemu, "minor", 0)) +
             '.' + std::to_string(json::uint_or(*qemu, "micro", 0));
}

void QmpClient::malformed(const std::string& line) const {
  throw ConnectionLost("what QEMU sent is no QMP: " + line.substr(0, 200));
}

}  // namespace anyvisor::qemu
