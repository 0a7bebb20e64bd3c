// SPDX-License-Identifier: MIT
#include "vmm_session.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace anyvisor::qemu {
namespace {

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
    throw sdk::Failure(ANYVISOR_EXHAUSTED, std::string("epoll_ctl: ") + std::strerror(errno));
}

// What stopped the guest, for an adopter that did not see the event.
std::string disk_fault(const json::Value& devices) {
  if (!devices.IsArray()) return {};
  for (const auto& device : devices.GetArray()) {
    std::string status = json::string_or(device, "io-status");
    if (status == "nospace") return "host disk full";
    if (status == "failed") return "disk I/O error";
  }
  return {};
}

}  // namespace

VmmSession::VmmSession(Descriptor socket)
    : client_(QmpConnection(std::move(socket))),
      readiness_(::epoll_create1(EPOLL_CLOEXEC)),
      waiting_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!readiness_ || !waiting_)
    throw sdk::Failure(ANYVISOR_EXHAUSTED, std::string("cannot watch QEMU: ") + std::strerror(errno));
  watch(readiness_.get(), client_.fd());
  watch(readiness_.get(), waiting_.get());
  client_.negotiate();
}

Observed VmmSession::query(const sdk::Context& context) {
  return query_reply(context, client_.send("query-status"));
}

Observed VmmSession::query_reply(const sdk::Context& context, QmpClient::CommandId query_status) {
  json::Document reply = client_.wait(context, query_status);
  const std::string status = json::string_or(reply, "status");
  apply_kept_events();
  Observed observed = from_status(status);
  if (status == "io-error" && state_.now().state != "paused")
    if (std::string fault = disk_fault(client_.execute(context, "query-block")); !fault.empty())
      observed.reason = fault;
  state_.set(observed);
  return state_.now();
}

void VmmSession::apply_kept_events() {
  while (client_.has_events()) changed_ = state_.apply(client_.take_event()) || changed_;
}

bool VmmSession::follow_events() {
  client_.drain();
  apply_kept_events();
  return std::exchange(changed_, false);
}

const Observed& VmmSession::known() {
  apply_kept_events();
  return state_.now();
}

void VmmSession::rearm() {
  const bool wanted = changed_ || client_.has_events();
  if (wanted == armed_) return;
  std::uint64_t count = 1;
  [[maybe_unused]] ssize_t done =
      wanted ? ::write(waiting_.get(), &count, sizeof count) : ::read(waiting_.get(), &count, sizeof count);
  armed_ = wanted;
}

}  // namespace anyvisor::qemu
