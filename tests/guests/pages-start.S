# SPDX-License-Identifier: MIT
# The start of the guest of pages.c: entered by PVH in 32-bit protected mode, goes on in 64 bits with the first 16 GiB
# mapped one to one.
.section .note.GNU-stack,"",@progbits
.section .note.Xen,"a",@note
.long 4, 4, 18                  # name size, value size, XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.long _start

.section .text
.code32
.globl _start
_start:
  mov $stack_end, %esp
  mov %ebx, %esi                # the start information, for later
  movl $(level3 + 3), level4    # present, writable
  mov $(level2 + 3), %eax
  xor %ecx, %ecx
1:
  mov %eax, level3(, %ecx, 8)
  add $4096, %eax
  inc %ecx
  cmp $16, %ecx
  jb 1b
  xor %ecx, %ecx
2:                              # pages of 2 MiB: entry n maps n * 2 MiB
  mov %ecx, %eax
  shl $21, %eax
  or $0x83, %eax                # present, writable, large
  mov %eax, level2(, %ecx, 8)
  mov %ecx, %eax
  shr $11, %eax
  mov %eax, level2 + 4(, %ecx, 8)
  inc %ecx
  cmp $(16 * 512), %ecx
  jb 2b

  mov %cr4, %eax
  or $0x20, %eax                # PAE
  mov %eax, %cr4
  mov $level4, %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx         # EFER
  rdmsr
  or $0x100, %eax               # LME
  wrmsr
  mov %cr0, %eax
  or $0x80000000, %eax          # PG
  mov %eax, %cr0
  lgdt descriptor
  ljmp $8, $3f
.code64
3:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov %esi, %edi
  call run
4:
  hlt
  jmp 4b

.section .rodata
.balign 8
table:
  .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff  # none, 64-bit code, data
descriptor:
  .word . - table - 1
  .long table

.section .bss
.balign 4096
level4: .skip 4096
level3: .skip 4096
level2: .skip 16 * 4096
stack:  .skip 16384
stack_end:
