// SPDX-License-Identifier: MIT
#include "instance/state_machine.hpp"

#include <algorithm>
#include <utility>

namespace anyvisor {
namespace {

using Hop = std::pair<State, State>;

// Asked for by a command. DESIGN: single hops only; operations are sequences of them.
constexpr std::array asked_hops = {
    Hop{State::stopped, State::created},  // the VMM starts, the guest does not run yet
    Hop{State::created, State::running},  Hop{State::created, State::shutdown}, Hop{State::running, State::paused},
    Hop{State::running, State::shutdown}, Hop{State::paused, State::running},   Hop{State::paused, State::shutdown},
    Hop{State::paused, State::standby},   Hop{State::shutdown, State::running}, Hop{State::shutdown, State::stopped},
    Hop{State::standby, State::paused},   Hop{State::standby, State::stopped},
};

// Seen without anyone asking.
constexpr std::array observed_hops = {
    Hop{State::created, State::stopped},  // the VMM ended
    Hop{State::running, State::stopped},  Hop{State::paused, State::stopped},
    Hop{State::shutdown, State::stopped}, Hop{State::running, State::shutdown},  // the guest powered off
    Hop{State::running, State::paused},                                          // the host's disk is full
};

struct Name {
  State state;
  std::string_view display, wire;
};
constexpr std::array names = {
    Name{State::stopped, "Stopped", "stopped"},    Name{State::created, "Created", "created"},
    Name{State::running, "Running", "running"},    Name{State::paused, "Paused", "paused"},
    Name{State::shutdown, "Shutdown", "shutdown"}, Name{State::standby, "Standby", "standby"},
    Name{State::unknown, "Unknown", "unknown"},
};

std::string_view verb_name(Verb verb) {
  switch (verb) {
    case Verb::start:
      return "start";
    case Verb::stop:
      return "stop";
    case Verb::restart:
      return "restart";
    case Verb::pause:
      return "pause";
    case Verb::resume:
      return "resume";
    case Verb::standby:
      return "put into standby";
    case Verb::restore:
      return "restore";
    case Verb::remove:
      return "delete";
  }
  return "change";
}

tl::unexpected<Error> refuse(Verb verb, State from, std::string_view name, std::string hint) {
  return fail(ErrorKind::invalid_state,
              "cannot " + std::string(verb_name(verb)) + " \"" + std::string(name) + "\": it is " +
                  std::string(state_name(from)),
              std::move(hint));
}

std::string command(std::string_view verb, std::string_view name) {
  return "'anyvisor " + std::string(verb) + " " + std::string(name) + "'";
}

}  // namespace

bool is_asked_hop(State from, State to) {
  return std::ranges::find(asked_hops, Hop{from, to}) != asked_hops.end();
}

bool is_observed_hop(State from, State to) {
  return std::ranges::find(observed_hops, Hop{from, to}) != observed_hops.end();
}

std::string_view state_name(State state) {
  for (const auto& name : names)
    if (name.state == state) return name.display;
  return "Unknown";
}

std::string_view state_to_wire(State state) {
  for (const auto& name : names)
    if (name.state == state) return name.wire;
  return "unknown";
}

State state_from_wire(std::string_view wire) {
  for (const auto& name : names)
    if (name.wire == wire) return name.state;
  return State::unknown;
}

Result<std::vector<State>> plan_hops(Verb verb, State from, std::string_view instance) {
  using Hops = std::vector<State>;
  if (from == State::unknown && verb != Verb::remove && verb != Verb::stop)
    return refuse(verb, from, instance,
                  "end its VMM with " + command("stop --force", instance) + ", then start it again");
  switch (verb) {
    case Verb::start:
      if (from == State::stopped) return Hops{State::created, State::running};
      if (from == State::created || from == State::shutdown) return Hops{State::running};
      if (from == State::standby) return Hops{State::paused, State::running};
      if (from == State::running) return Hops{};
      return refuse(verb, from, instance, "resume it with " + command("resume", instance));
    case Verb::stop:
      if (from == State::stopped) return Hops{};
      if (from == State::shutdown || from == State::standby) return Hops{State::stopped};
      return Hops{State::shutdown, State::stopped};
    case Verb::restart:
      if (from == State::stopped || from == State::standby)
        return refuse(verb, from, instance, "start it with " + command("start", instance));
      if (from == State::shutdown) return Hops{State::stopped, State::created, State::running};
      return Hops{State::shutdown, State::stopped, State::created, State::running};
    case Verb::pause:
      if (from == State::running) return Hops{State::paused};
      if (from == State::paused) return Hops{};
      return refuse(verb, from, instance, "start it first with " + command("start", instance));
    case Verb::resume:
      if (from == State::paused) return Hops{State::running};
      if (from == State::running) return Hops{};
      return refuse(verb, from, instance, "start it with " + command("start", instance));
    case Verb::standby:
      if (from == State::running) return Hops{State::paused, State::standby};
      if (from == State::paused) return Hops{State::standby};
      if (from == State::standby) return Hops{};
      return refuse(verb, from, instance, "start it first with " + command("start", instance));
    case Verb::restore:
      if (from == State::standby) return Hops{State::paused, State::running};
      return refuse(verb, from, instance,
                    from == State::stopped ? "it has no saved memory; start it with " + command("start", instance)
                                           : "only an instance in Standby can be restored");
    case Verb::remove:
      if (from == State::stopped) return Hops{};
      if (from == State::shutdown) return Hops{State::stopped};
      if (from == State::standby)
        return refuse(verb, from, instance,
                      "its saved memory would be lost: wake it with " + command("start", instance) +
                          ", or give it up with " + command("delete --force", instance));
      return refuse(
          verb, from, instance,
          "stop it first with " + command("stop", instance) + ", or use " + command("delete --force", instance));
  }
  return fail(ErrorKind::internal, "no such operation");
}

}  // namespace anyvisor
