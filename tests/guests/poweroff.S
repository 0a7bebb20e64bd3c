# A guest that prints "off" on COM1 and powers the machine off through ACPI: where SeaBIOS puts q35's PM1a control, and,
# where that is nothing, where Cloud Hypervisor has its sleep register.
.section .note.Xen,"a",@note
.long 4, 4, 18                  # name size, value size, XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.long _start
.section .text
.code32
.globl _start
_start:
  mov $text, %esi
  mov $0x3f8, %dx
1:
  lodsb
  test %al, %al
  jz 2f
  outb %al, %dx
  jmp 1b
2:
  mov $0x604, %dx
  mov $0x2000, %ax              # SLP_EN, type 0: soft off
  outw %ax, %dx
  mov $0x600, %dx
  mov $0x34, %al                # SLP_EN, type 5: soft off
  outb %al, %dx
3:
  hlt
  jmp 3b
text:
  .asciz "off\n"
