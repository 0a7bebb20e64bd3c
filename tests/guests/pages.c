// SPDX-License-Identifier: MIT
// A guest whose life is in its RAM, for standby and restore: a nonce that it takes from the clock at its start, a
// counter that it prints on COM1 for ever (eight hex digits a line), and pages that it fills and checks on command.
// Commands on COM1, each ended by a newline:
//   n         "nonce XXXXXXXX"
//   wXXXX     fills XXXX (hex) pages of 4096 bytes from 16 MiB on, below and above 4 GiB, each with a pattern of its
//   own,
//             new ones each time: "written XXXXXXXX"
//   v         compares all that it has filled last: "intact XXXXXXXX" (pages), or "spoilt XXXXXXXX" (how many are not)
// What it cannot do is answered by a line that begins with "error". Started by pages-start.S.
#include <stdint.h>

enum { port = 0x3f8, line_status = port + 5, ready = 1, empty = 0x20, page_size = 4096 };
static const uint64_t lowest = 16 << 20, highest = 16ULL << 30;  // above what it stands in itself; what it has mapped

// https://xenbits.xen.org/docs/unstable/misc/pvh.html
struct StartInfo {
  uint32_t magic, version, flags, modules;
  uint64_t module_list, command_line, rsdp, memory_map;
  uint32_t memory_map_entries, reserved;
};
struct MemoryMapEntry {
  uint64_t address, size;
  uint32_t type, reserved;
};
enum { magic = 0x336ec578, memory_map_since = 1, ram = 1 };

struct Region {
  uint64_t address, pages;
};
static struct Region regions[16];
static unsigned region_count;
static uint64_t page_count;

static void out(uint16_t to, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(to));
}

static uint8_t in(uint16_t from) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(from));
  return value;
}

static void put(char c) {
  while (!(in(line_status)&empty)) __asm__ volatile("pause");
  out(port, (uint8_t)c);
}

static void say(const char* text) {
  while (*text) put(*text++);
}

static void say_number(uint64_t number, int digits) {
  while (digits-- > 0) put("0123456789abcdef"[number >> (4 * digits) & 15]);
}

static void find_pages(const struct StartInfo* info) {
  if (info->magic != magic || info->version < memory_map_since) return;
  const struct MemoryMapEntry* map = (const struct MemoryMapEntry*)info->memory_map;
  for (uint32_t i = 0; i < info->memory_map_entries && region_count < 16; ++i) {
    uint64_t begin = map[i].address, end = begin + map[i].size;
    if (map[i].type != ram) continue;
    if (begin < lowest) begin = lowest;
    if (end > highest) end = highest;
    begin = (begin + page_size - 1) / page_size * page_size;
    if (end < begin + page_size) continue;
    regions[region_count].address = begin;
    regions[region_count].pages = (end - begin) / page_size;
    page_count += regions[region_count++].pages;
  }
}

static volatile uint64_t* address_of(uint64_t page) {
  unsigned i = 0;
  while (page >= regions[i].pages) page -= regions[i++].pages;
  return (volatile uint64_t*)(regions[i].address + page * page_size);
}

// Another number for each page and seed, and no short period.
static uint64_t mix(uint64_t page, uint64_t seed) {
  uint64_t x = page * 0x9e3779b97f4a7c15 + seed + 1;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

static void fill(uint64_t page, uint64_t seed) {
  volatile uint64_t* words = address_of(page);
  const uint64_t value = mix(page, seed);
  for (unsigned i = 0; i < page_size / sizeof *words; ++i) words[i] = value + i;
}

static int is_filled(uint64_t page, uint64_t seed) {
  volatile uint64_t* words = address_of(page);
  const uint64_t value = mix(page, seed);
  for (unsigned i = 0; i < page_size / sizeof *words; ++i)
    if (words[i] != value + i) return 0;
  return 1;
}

static uint32_t nonce, generation, filled;

static void say_answer(const char* word, uint64_t number) {
  say(word);
  say_number(number, 8);
  put('\n');
}

static void fill_pages(uint64_t count) {
  if (count > page_count) {
    say("error: there are not so many pages\n");
    return;
  }
  ++generation;
  filled = (uint32_t)count;
  for (uint64_t page = 0; page < count; ++page) fill(page, (uint64_t)nonce << 32 | generation);
  say_answer("written ", count);
}

static void check_pages(void) {
  uint64_t spoilt = 0;
  for (uint64_t page = 0; page < filled; ++page) spoilt += !is_filled(page, (uint64_t)nonce << 32 | generation);
  if (spoilt)
    say_answer("spoilt ", spoilt);
  else
    say_answer("intact ", filled);
}

static void obey(const char* line) {
  uint64_t number = 0;
  for (const char* at = line + 1; *line && *at; ++at)
    number = number << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
  if (*line == 'n')
    say_answer("nonce ", nonce);
  else if (*line == 'w')
    fill_pages(number);
  else if (*line == 'v')
    check_pages();
  else
    say("error: no such command\n");
}

void run(const struct StartInfo* info) {
  static char line[16];
  unsigned length = 0, high;
  find_pages(info);
  __asm__ volatile("rdtsc" : "=a"(nonce), "=d"(high));
  (void)high;
  say_answer("nonce ", nonce);
  for (uint32_t counter = 1;; ++counter) {
    say_answer("", counter);
    // Slowly: a console that nobody reads holds back.
    for (unsigned i = 0; i < 100; ++i) {
      for (unsigned j = 0; j < 1000; ++j) __asm__ volatile("pause");
      if (!(in(line_status)&ready)) continue;
      const char c = (char)in(port);
      if (c != '\n') {
        if (length < sizeof line - 1) line[length++] = c;
        continue;
      }
      line[length] = 0;
      length = 0;
      obey(line);
    }
  }
}
