// SPDX-License-Identifier: MIT
#pragma once

// What libanyvisor.so exports; everything else of it is hidden.
#define ANYVISOR_API __attribute__((visibility("default")))
