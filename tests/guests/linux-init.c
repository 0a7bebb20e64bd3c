/* SPDX-License-Identifier: MIT
 * The first and only process of a Linux test guest, in an initramfs of its own: for what a few bytes of a guest cannot
 * show. It loads what lies in /modules, then counts for ever: a line of 8 hex digits on the console, the same number in
 * the second sector of its first disk. It says "disk N" (what that sector held at its start), "cpus N" when their
 * number changes (new ones are switched on), "memory N" (MiB) when there is another amount of it, "plugged" when a
 * second disk is there, "unplugged" when that has gone, "!" when a write failed, and powers itself off when the power
 * button is pressed. */
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, MOST_MODULES = 32, MOST_CPUS = 8, PAUSE_MS = 20 };

static void say(const char* format, unsigned number) {
  char line[64];
  int length = snprintf(line, sizeof line, format, number);
  if (write(1, line, (size_t)length) < 0) _exit(1);
}

static void load_modules(void) {
  for (int number = 0; number < MOST_MODULES; ++number) {
    char path[32];
    snprintf(path, sizeof path, "/modules/%02d.ko", number);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    if (syscall(SYS_finit_module, file, "", 0) != 0) say("module %u: cannot be loaded\n", (unsigned)number);
    close(file);
  }
}

/* Switches on what was plugged in. */
static unsigned online_cpus(void) {
  for (int number = 1; number < MOST_CPUS; ++number) {
    char path[64], now = '1';
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", number);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) continue;
    if (read(file, &now, 1) == 1 && now == '0' && write(file, "1", 1) != 1)
      say("cpu %u: cannot be switched on\n", (unsigned)number);
    close(file);
  }
  return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

static int button_pressed(struct pollfd* inputs, nfds_t count) {
  struct input_event event;
  if (poll(inputs, count, PAUSE_MS) <= 0) return 0;
  for (nfds_t i = 0; i < count; ++i)
    while (read(inputs[i].fd, &event, sizeof event) == sizeof event)
      if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) return 1;
  return 0;
}

int main(void) {
  mkdir("/dev", 0755);
  mkdir("/sys", 0755);
  mkdir("/proc", 0755);
  mount("dev", "/dev", "devtmpfs", 0, "");
  mount("sys", "/sys", "sysfs", 0, "");
  mount("proc", "/proc", "proc", 0, "");
  int console = open("/dev/console", O_RDWR);
  dup2(console, 1);
  load_modules();

  struct pollfd inputs[4];
  nfds_t input_count = 0;
  for (unsigned number = 0; number < 4; ++number) {
    char path[32];
    snprintf(path, sizeof path, "/dev/input/event%u", number);
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file >= 0) inputs[input_count++] = (struct pollfd){file, POLLIN, 0};
  }
  static uint32_t sector[SECTOR / sizeof(uint32_t)] __attribute__((aligned(4096)));
  int disk = open("/dev/vda", O_RDWR | O_SYNC | O_CLOEXEC);
  if (disk < 0) disk = open("/dev/vda", O_RDONLY | O_CLOEXEC);
  if (disk >= 0 && pread(disk, sector, SECTOR, SECTOR) == SECTOR) say("disk %u\n", sector[0]);

  unsigned cpus = 0, second = 0, memory = 0;
  for (uint32_t count = 1;; ++count) {
    const unsigned now = online_cpus(), there = access("/dev/vdb", F_OK) == 0;
    if (now != cpus) say("cpus %u\n", cpus = now);
    const unsigned mebibytes = (unsigned)((uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >> 20);
    if (mebibytes != memory) say("memory %u\n", memory = mebibytes);
    if (there != second) say((second = there) ? "plugged\n" : "unplugged\n", 0);
    sector[0] = count;
    if (disk >= 0 && pwrite(disk, sector, SECTOR, SECTOR) != SECTOR) say("!\n", 0);
    say("%08x\n", count);
    if (!button_pressed(inputs, input_count)) continue;
    say("button\n", 0);
    sync();
    reboot(RB_POWER_OFF);
  }
}
