// SPDX-License-Identifier: MIT
// The states of an instance and the two tables of transitions. The only place that knows what is allowed.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "anyvisor/manager.hpp"

namespace anyvisor {

inline constexpr std::array all_states = {State::stopped,  State::created, State::running, State::paused,
                                          State::shutdown, State::standby, State::unknown};

// Can a command ask for this single hop?
bool is_asked_hop(State from, State to);
// Can this single hop be observed without anyone asking?
bool is_observed_hop(State from, State to);
// "running" and so on, as plugins say it; unknown for anything else.
State state_from_wire(std::string_view name);
std::string_view state_to_wire(State state);

// The hops of an operation from the present state: start from Stopped is {created, running}, from Standby {paused,
// running}, ... An empty list: already there. Errors: invalid_state, "cannot start \"web\": it is Paused", hint with
// the command that helps.
enum class Verb { start, stop, restart, pause, resume, standby, restore, remove };
Result<std::vector<State>> plan_hops(Verb verb, State from, std::string_view instance_name);

}  // namespace anyvisor
