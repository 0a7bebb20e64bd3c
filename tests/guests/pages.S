# A guest whose life is in its RAM, for standby and restore: a nonce that it takes from the clock at its start, a counter that it
# prints on COM1 for ever (eight hex digits a line), and pages that it fills and checks on command. Entered by PVH in 32-bit
# protected mode, no paging. Commands on COM1, each ended by a newline:
#   n         "nonce XXXXXXXX"
#   wXXXX     fills XXXX (hex) pages from 2 MiB on, each with a pattern of its own, new ones each time: "written XXXXXXXX"
#   v         compares all that it has filled last: "intact XXXXXXXX" (pages), or "spoilt XXXXXXXX" (address behind it)
.set first_page, 0x200000
.set page_words, 1024
.section .note.Xen,"a",@note
.long 4, 4, 18                  # name size, value size, XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.long _start
.section .text
.code32
.globl _start
_start:
  cld
  mov $stack_end, %esp
  rdtsc
  mov %eax, nonce
  call say_nonce
next:
  incl counter
  mov counter, %eax
  call print_number
  mov $100, %ebx
1:
  mov $1000, %ecx
2:
  pause
  loop 2b
  call listen
  dec %ebx
  jnz 1b
  jmp next

# One byte, if there is one; a newline does what was asked for.
listen:
  mov $0x3fd, %dx
  inb %dx, %al
  test $1, %al
  jz 9f
  mov $0x3f8, %dx
  inb %dx, %al
  cmp $'\n', %al
  je obey
  cmp $'g', %al
  jb 1f
  mov %al, command
  movl $0, argument
  ret
1:
  movzbl %al, %eax
  sub $'0', %eax
  cmp $9, %eax
  jbe 2f
  sub $39, %eax                 # 'a' follows '9'
2:
  and $15, %eax
  shll $4, argument
  or %eax, argument
9:
  ret

obey:
  mov command, %al
  cmp $'n', %al
  je say_nonce
  cmp $'w', %al
  je write_pages
  cmp $'v', %al
  je check_pages
  ret

say_nonce:
  mov $text_nonce, %esi
  call print_text
  mov nonce, %eax
  jmp print_number

write_pages:
  incl generation
  mov argument, %ebp
  mov %ebp, pages
  mov $first_page, %edi
1:
  test %ebp, %ebp
  jz 2f
  call pattern
  mov $page_words, %ecx
  rep stosl
  dec %ebp
  jmp 1b
2:
  mov $text_written, %esi
  call print_text
  mov pages, %eax
  jmp print_number

check_pages:
  mov pages, %ebp
  mov $first_page, %edi
1:
  test %ebp, %ebp
  jz 2f
  call pattern
  mov $page_words, %ecx
  repe scasl
  jne 3f
  dec %ebp
  jmp 1b
2:
  mov $text_intact, %esi
  call print_text
  mov pages, %eax
  jmp print_number
3:
  mov $text_spoilt, %esi
  call print_text
  mov %edi, %eax
  jmp print_number

# Of the page at edi, in eax.
pattern:
  mov generation, %eax
  imul $0x9e3779b1, %eax
  xor nonce, %eax
  xor %edi, %eax
  ret

print_text:
  lodsb
  test %al, %al
  jz 1f
  call print_byte
  jmp print_text
1:
  ret

# eax, and a newline.
print_number:
  mov $8, %ecx
1:
  rol $4, %eax
  push %eax
  and $15, %al
  add $'0', %al
  cmp $'9', %al
  jbe 2f
  add $39, %al
2:
  call print_byte
  pop %eax
  loop 1b
  mov $'\n', %al

print_byte:
  push %eax
  mov $0x3fd, %dx
1:
  inb %dx, %al
  test $0x20, %al               # room for one
  jz 1b
  pop %eax
  mov $0x3f8, %dx
  outb %al, %dx
  ret

text_nonce: .asciz "nonce "
text_written: .asciz "written "
text_intact: .asciz "intact "
text_spoilt: .asciz "spoilt "
.balign 4
nonce: .long 0
counter: .long 0
generation: .long 0
pages: .long 0
argument: .long 0
command: .long 0
.space 1024
stack_end:
