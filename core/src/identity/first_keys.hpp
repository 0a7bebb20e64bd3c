// SPDX-License-Identifier: MIT
// A process waits 2 ms for its first keys, nearly all of it for OpenSSL to start; each of the next takes a twentieth of
// one. Who will need some gets that started beside what comes first.
#pragma once

#include <thread>

namespace anyvisor {

class FirstKeys {
 public:
  // In a process that has none yet, makes keys for nobody on a thread of its own. Where no thread can be had, the first
  // keys that are asked for take their time. [any thread]
  FirstKeys();
  // Waits for the thread: OpenSSL may not be left running where the process ends.
  ~FirstKeys();
  FirstKeys(const FirstKeys&) = delete;
  FirstKeys& operator=(const FirstKeys&) = delete;

 private:
  std::thread thread_;
};

}  // namespace anyvisor
