// SPDX-License-Identifier: MIT
// What is done to a guest's identity: the units say what has to change, and this does it, or says what would be done,
// or leaves a slot for it.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "guest.hpp"

namespace anyvisor::identity {

enum class Mode {
  describe,    // changes nothing
  rewrite,     // writes the values
  generalize,  // writes placeholders, for values that come later
};

// What the machine was called before.
struct Source {
  std::string name;
  std::vector<std::string> macs;  // in the order of its network attachments, lower case
};

struct Action {
  std::string unit, what;  // what: "write", "remove", "keep"
  std::string path, reason;
};

// A file whose content is to be placed later: `text` with its {variables} replaced, padded with newlines to `length`.
struct Slot {
  std::string unit, path, text, placeholder;
  std::size_t length = 0;
  std::string distrust;        // why its bytes may not be placed from outside; empty: they may
  std::uint64_t position = 0;  // on the disk, as its file system says
};

class Rewrite {
 public:
  Rewrite(Guest& guest, Mode mode, Source source, std::map<std::string, std::string> variables,
          std::set<std::string> skip)
      : guest_(guest),
        mode_(mode),
        source_(std::move(source)),
        variables_(std::move(variables)),
        skip_(std::move(skip)) {}

  // Asks each unit what it wants; then all of it is carried out.
  void run();
  // Asks for each slot whether its bytes may be placed from outside, and where they are: once all is written.
  void find_places();
  // Tries it on all of them; nothing is mounted. Afterwards the disk is as before. A slot that does not stand the proof
  // is distrusted.
  void prove_places();

  // For units.
  Guest& guest() { return guest_; }
  const Source& source() const { return source_; }
  // The file that this name stands for, links followed inside of the guest; empty: there is none (a link to nothing, a
  // folder and the like are told as kept), or it was written or removed before under another name.
  std::string file(const std::string& name);
  // What is in it; std::nullopt, and told as kept: it is too long for a file of its kind, or holds what cannot be told
  // from our own {variables}.
  std::optional<std::string> text(const std::string& path);
  // New content for a file() that is there; {variables} in it are replaced. `length`: what the longest value needs; the
  // rest is filled up with newlines, which the file's format has to allow.
  void write(const std::string& path, const std::string& text, std::size_t length);
  // A small file of ours that is the same in every clone.
  void create(const std::string& name, const std::string& text, const std::string& reason);
  // A name: a link goes by itself, what it names stays.
  void remove(const std::string& name);
  // A name, and the file that it stands for: what must not be found in a clone.
  void remove_secret(const std::string& name);
  void keep(const std::string& path, const std::string& reason);
  // Written or removed by a unit, also where it was only described.
  bool is_done(const std::string& path) const { return done_.contains(path); }

  const std::vector<Action>& actions() const { return actions_; }
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  Guest& guest_;
  Mode mode_;
  Source source_;
  std::map<std::string, std::string> variables_;
  std::set<std::string> skip_;
  std::string unit_;
  std::vector<Action> actions_;
  std::vector<Slot> slots_;
  std::set<std::string> done_;

  // Put off to the end: what is there is overwritten in all of these places, flushed once, and then replaced.
  struct Change {
    enum class Kind { write, create, remove } kind;
    std::string path, content;
  };
  void carry_out();
  std::vector<Change> changes_;
};

// One kind of thing that two machines must not share.
struct Unit {
  const char* name;
  const char* summary;  // one line
  void (*apply)(Rewrite& rewrite);
};
std::span<const Unit> units();

}  // namespace anyvisor::identity
