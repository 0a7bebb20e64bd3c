// SPDX-License-Identifier: MIT
#include "instance/state_machine.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

namespace anyvisor {
namespace {

using enum State;

// The tables as the architecture has them, written down once more and independently: rows from, columns to. 'a' asked
// for, 'o' observed,
// '*' both, '.' neither.  Order: Stopped Created Running Paused Shutdown Standby Unknown.
const std::map<State, std::string> expected = {
    {stopped, ".a....."},  {created, "o.a.a.."}, {running, "o..**.."}, {paused, "o.a.aa."},
    {shutdown, "*.a...."}, {standby, "a..a..."}, {unknown, "......."},
};

TEST(StateMachine, EveryPairAgainstBothTables) {
  std::printf("%-10s", "from \\ to");
  for (State to : all_states) std::printf("%-10s", std::string(state_name(to)).c_str());
  std::printf("\n");
  for (State from : all_states) {
    std::printf("%-10s", std::string(state_name(from)).c_str());
    for (std::size_t column = 0; column < all_states.size(); ++column) {
      State to = all_states[column];
      bool asked = is_asked_hop(from, to), observed = is_observed_hop(from, to);
      char mark = asked && observed ? '*' : asked ? 'a' : observed ? 'o' : '.';
      std::printf("%-10c", mark);
      EXPECT_EQ(mark, expected.at(from)[column]) << state_name(from) << " > " << state_name(to);
    }
    std::printf("\n");
  }
}

TEST(StateMachine, NamesAndWireNamesGoBothWays) {
  for (State state : all_states) EXPECT_EQ(state_from_wire(state_to_wire(state)), state);
  EXPECT_EQ(state_from_wire("asleep"), unknown);
}

// Each plan is a walk along asked-for hops, from each state and for each verb; nothing leads out of Unknown.
TEST(StateMachine, PlansAreSingleAskedHops) {
  for (Verb verb :
       {Verb::start, Verb::stop, Verb::restart, Verb::pause, Verb::resume, Verb::standby, Verb::restore, Verb::remove})
    for (State from : all_states) {
      if (from == unknown) continue;
      auto plan = plan_hops(verb, from, "web");
      if (!plan) {
        EXPECT_EQ(plan.error().kind, ErrorKind::invalid_state);
        EXPECT_NE(plan.error().message.find("\"web\""), std::string::npos);
        EXPECT_FALSE(plan.error().hint.empty());
        continue;
      }
      State at = from;
      for (State next : *plan) {
        EXPECT_TRUE(is_asked_hop(at, next)) << state_name(at) << " > " << state_name(next);
        at = next;
      }
    }
}

TEST(StateMachine, WhatEachVerbLeadsTo) {
  auto last = [](Verb verb, State from) {
    auto plan = plan_hops(verb, from, "web");
    return plan ? (plan->empty() ? from : plan->back()) : unknown;
  };
  EXPECT_EQ(last(Verb::start, stopped), running);
  EXPECT_EQ(last(Verb::start, shutdown), running);
  EXPECT_EQ(last(Verb::start, standby), running);
  EXPECT_EQ(last(Verb::start, paused), unknown);
  EXPECT_EQ(last(Verb::start, unknown), unknown);
  for (State from : {stopped, created, running, paused, shutdown, standby}) EXPECT_EQ(last(Verb::stop, from), stopped);
  EXPECT_EQ(last(Verb::remove, running), unknown);
  EXPECT_EQ(last(Verb::remove, standby), unknown);
  EXPECT_EQ(last(Verb::remove, shutdown), stopped);
  EXPECT_EQ(last(Verb::restart, running), running);
  EXPECT_EQ(last(Verb::restart, paused), running);
  EXPECT_EQ(last(Verb::restart, stopped), unknown);
  EXPECT_EQ(last(Verb::restart, standby), unknown);
  EXPECT_EQ(last(Verb::standby, running), standby);
  EXPECT_EQ(last(Verb::restore, stopped), unknown);
}

}  // namespace
}  // namespace anyvisor
