# A boot sector for SeaBIOS: prints "disk" on COM1, then for ever adds one to the number in the disk's second sector, reading and
# writing it through the BIOS, and prints a dot for each. What it wrote tells which file of a chain the guest writes to.
.code16
.globl _start
_start:
  xor %ax, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov $0x7c00, %sp
  mov %dl, drive
  mov $text, %si
1:
  lodsb
  test %al, %al
  jz 2f
  mov $0x3f8, %dx
  outb %al, %dx
  jmp 1b
2:
  mov $0x42, %ah                # extended read
  call transfer
  incl 0x8000
  mov $0x4300, %ax              # extended write
  call transfer
  mov $'.', %al
  mov $0x3f8, %dx
  outb %al, %dx
  mov $1000, %ecx
3:
  pause
  loopl 3b
  jmp 2b
transfer:
  mov drive, %dl
  mov $packet, %si
  int $0x13
  jc failed
  ret
failed:
  mov $'!', %al
  mov $0x3f8, %dx
  outb %al, %dx
  hlt
  jmp failed
drive: .byte 0
text: .asciz "disk\n"
.balign 4
packet:
  .byte 16, 0
  .word 1                       # one sector
  .word 0x8000, 0               # to 0000:8000
  .quad 1                       # the second one
.org 510
.word 0xaa55
