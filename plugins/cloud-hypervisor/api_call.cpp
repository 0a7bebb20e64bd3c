// SPDX-License-Identifier: MIT
#include "api_call.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>

namespace anyvisor::cloud_hypervisor {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr unsigned first_error = 400;

void prepare(std::optional<Parser>& parser) {
  parser.emplace();
  parser->header_limit(longest_reply_head);
  parser->body_limit(longest_reply_body);
  parser->eager(true);
}

[[noreturn]] void refuse_reply(const std::string& action, const boost::system::error_code& error) {
  throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                     "Cloud Hypervisor's answer to " + action + " is no HTTP reply: " + error.message())
      .hint("look at logs/vmm.log of the instance");
}

anyvisor_status status_of(unsigned http_status) {
  switch (http_status) {
    case 404:
    case 405:
      return ANYVISOR_INVALID_STATE;
    case 429:
      return ANYVISOR_BUSY;
    default:
      return ANYVISOR_BACKEND_FAILED;
  }
}

}  // namespace

ApiCall::ApiCall(Descriptor socket, Method method, std::string action, std::string_view body)
    : socket_(std::move(socket)), action_(std::move(action)) {
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    throw sdk::Failure(ANYVISOR_INTERNAL, std::string("cannot use the API's socket: ") + std::strerror(errno));
  output_ = (method == Method::put ? "PUT /api/v1/" : "GET /api/v1/") + action_ +
            " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n";
  // A body where none is expected is an error to the VMM, even an empty one.
  if (!body.empty())
    output_ += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  output_ += "\r\n";
  output_ += body;
}

void ApiCall::send(const sdk::Context& context) {
  while (!output_.empty()) {
    const ssize_t sent = ::send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      output_.erase(0, static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait(context, POLLOUT);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      // What it has said before it closed is worth more than that it closed.
      output_.clear();
    } else if (errno != EINTR) {
      throw ConnectionLost("the connection to Cloud Hypervisor broke: " + std::string(std::strerror(errno)));
    }
  }
}

bool ApiCall::receive(std::string& input) {
  std::array<char, 65536> buffer;
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got > 0) input.append(buffer.data(), static_cast<std::size_t>(got));
  if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return false;
  return got != 0;
}

std::string ApiCall::finish(const sdk::Context& context) {
  send(context);
  std::optional<Parser> parser;
  prepare(parser);
  std::string input;
  boost::system::error_code error;
  while (!parser->is_done()) {
    const std::size_t before = input.size();
    if (!receive(input)) {
      if (!parser->got_some() && input.empty())
        throw ConnectionLost("Cloud Hypervisor closed the connection without an answer to " + action_);
      parser->put_eof(error);
      if (error || !parser->is_done())
        throw ConnectionLost("Cloud Hypervisor closed the connection in the middle of its answer to " + action_);
      break;
    }
    if (input.size() == before) {
      wait(context, POLLIN);
      continue;
    }
    while (!input.empty() && !parser->is_done()) {
      const std::size_t used = parser->put(boost::asio::buffer(input), error);
      input.erase(0, used);
      if (error == http::error::need_more) break;
      if (error) refuse_reply(action_, error);
      // "100 Continue" and its like: the answer is still to come.
      if (parser->is_done() && parser->get().result_int() < 200) prepare(parser);
    }
  }
  socket_.reset();
  const unsigned status = parser->get().result_int();
  std::string body = std::move(parser->get().body());
  if (status < first_error) return body;
  const std::string said = error_text(body);
  throw Refused(status_of(status),
                "Cloud Hypervisor refuses " + action_ + ": " +
                    (said.empty() ? "it answers with HTTP status " + std::to_string(status) : said),
                status);
}

json::Document ApiCall::finish_object(const sdk::Context& context) {
  const std::string body = finish(context);
  json::Document document;
  document.Parse(body.data(), body.size());
  if (document.HasParseError() || !document.IsObject())
    throw sdk::Failure(ANYVISOR_BACKEND_FAILED, "Cloud Hypervisor's answer to " + action_ + " is no JSON object")
        .hint("look at logs/vmm.log of the instance");
  return document;
}

void ApiCall::wait(const sdk::Context& context, short events) {
  try {
    context.check();
    std::array<pollfd, 2> polled{pollfd{socket_.get(), events, 0}, pollfd{context.cancel_fd(), POLLIN, 0}};
    const auto left = context.remaining().count();
    // One millisecond more than what remains in whole ones, so that the last fraction is not spent spinning.
    const int limit = left >= INT_MAX ? INT_MAX : static_cast<int>(left) + 1;
    const int ready = ::poll(polled.data(), polled.size(), limit);
    if (ready < 0 && errno != EINTR)
      throw sdk::Failure(ANYVISOR_INTERNAL, std::string("poll failed: ") + std::strerror(errno));
    if (polled[1].revents != 0)
      throw sdk::Failure(ANYVISOR_CANCELLED, "cancelled while Cloud Hypervisor was busy with " + action_);
    if (ready == 0 && context.remaining().count() == 0)
      throw sdk::Failure(ANYVISOR_TIMEOUT, "Cloud Hypervisor did not answer " + action_ + " in time")
          .hint("the machine may be very busy: look at logs/vmm.log, or end it with stop --force")
          .retry();
  } catch (...) {
    socket_.reset();
    throw;
  }
}

std::string error_text(const std::string& body) {
  json::Document document;
  document.Parse(body.data(), body.size());
  std::string text;
  if (!document.HasParseError() && document.IsArray()) {
    for (const auto& cause : document.GetArray())
      if (cause.IsString())
        text += (text.empty() ? "" : ": ") + std::string(cause.GetString(), cause.GetStringLength());
  } else if (!document.HasParseError() && document.IsString()) {
    text.assign(document.GetString(), document.GetStringLength());
  } else {
    text = body;
  }
  constexpr std::size_t enough = 2048;
  if (text.size() > enough) text.resize(enough);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace anyvisor::cloud_hypervisor
