# SPDX-License-Identifier: MIT
# The guest of the accelerator probe. Entered by PVH in 32-bit protected mode; builds page tables of 4 KiB pages for the first
# 16 MiB, enters 64-bit code with paging, does a fixed amount of work that an accelerator has to be good at (memory through
# many pages, reloads of the page table, a tight loop, a few exits), prints its marker on COM1 and resets the machine: under
# -no-reboot QEMU then exits with status 0. Where nothing resets at that port it powers off as Cloud Hypervisor knows it.
.section .note.Xen,"a",@note
.long 4, 4, 18                  # name size, value size, XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.long _start

.set PAGE_TABLES, 8             # of 512 pages each: 16 MiB
.set PASSES, 16
.set FIRST_PAGE, 0x400000
.set PAGES, 2048                # 8 MiB of memory are touched
.set SPINS, 4000000

.section .text
.code32
.globl _start
_start:
  cli
  mov $stack, %esp
  # Page table entries: identity, present and writable.
  mov $page_table, %edi
  mov $3, %eax
  mov $(PAGE_TABLES * 512), %ecx
1:
  mov %eax, (%edi)
  movl $0, 4(%edi)
  add $4096, %eax
  add $8, %edi
  loop 1b
  mov $page_directory, %edi
  mov $(page_table + 3), %eax
  mov $PAGE_TABLES, %ecx
2:
  mov %eax, (%edi)
  add $4096, %eax
  add $8, %edi
  loop 2b
  movl $(page_directory + 3), page_pointers
  movl $(page_pointers + 3), page_root
  mov $page_root, %eax
  mov %eax, %cr3
  mov %cr4, %eax
  or $0x20, %eax                # PAE
  mov %eax, %cr4
  mov $0xc0000080, %ecx         # EFER
  rdmsr
  or $0x100, %eax               # long mode
  wrmsr
  lgdt gdt_pointer
  mov %cr0, %eax
  or $0x80000001, %eax          # paging
  mov %eax, %cr0
  ljmp $8, $long_mode

.code64
long_mode:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $PASSES, %ebp
pass:
  mov $FIRST_PAGE, %edi
  mov $PAGES, %ecx
3:
  add %rcx, (%rdi)
  add $4096, %rdi
  dec %ecx
  jnz 3b
  mov %cr3, %rax
  mov %rax, %cr3
  xor %eax, %eax
  cpuid
  dec %ebp
  jnz pass
  mov $SPINS, %ecx
4:
  lea (%rax,%rcx), %rax
  dec %ecx
  jnz 4b
  # The first page was touched once in every pass, with PAGES each time: else memory is not what it should be.
  cmpq $(PASSES * PAGES), FIRST_PAGE
  jne halt
  mov $marker, %esi
  mov $0x3f8, %edx
5:
  lodsb
  test %al, %al
  jz 6f
  outb %al, %dx
  jmp 5b
6:
  mov $0xcf9, %edx
  mov $6, %al
  outb %al, %dx
  mov $0x600, %edx              # Cloud Hypervisor's ACPI shutdown: sleep type 5, sleep now
  mov $0x34, %al
  outb %al, %dx
halt:
  hlt
  jmp halt

marker:
  .asciz "anyvisor-probe-ok\n"
.balign 8
gdt:
  .quad 0
  .quad 0x00af9b000000ffff      # 64-bit code
  .quad 0x00cf93000000ffff      # data
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

.section .bss
.balign 4096
page_root: .skip 4096
page_pointers: .skip 4096
page_directory: .skip 4096
page_table: .skip PAGE_TABLES * 4096
.skip 4096
stack:
