# The simulator of Xtensa cores with windows of registers, as ESP32 has: start code behind the reset vector, and calls of the
# simulator. Registers of calls of calls go to the stack by the handlers of windows of eight, the only ones that LLVM has.
    .section .reset, "ax"
    .global _start
    .p2align 2
_start:
    j begin
    .p2align 2
stack:  .4byte __stack_top
entry:  .4byte main
begin:
    movi a0, 0
    wsr a0, windowbase
    movi a0, 1
    wsr a0, windowstart
    movi a0, 0x40
    slli a0, a0, 12
    addi a0, a0, 0x20            # PS: windows on, no exception
    wsr a0, ps
    movi a0, 1
    wsr a0, cpenable             # floats
    rsync
    l32r a1, stack
    addi a2, a1, -16
    s32i a1, a2, 4               # the frame above, for the handlers
    l32r a4, entry
    callx8 a4
    mov a3, a10
    movi a2, 1                   # exit
    .byte 0x00, 0x51, 0x00

    .section .windows, "ax"      # at VECBASE
    .org 0x80                    # overflow
    s32e a0, a9, -16
    l32e a0, a1, -12
    s32e a1, a9, -12
    s32e a2, a9, -8
    s32e a3, a9, -4
    s32e a4, a0, -32
    s32e a5, a0, -28
    s32e a6, a0, -24
    s32e a7, a0, -20
    rfwo
    .org 0xc0                    # underflow
    l32e a0, a9, -16
    l32e a1, a9, -12
    l32e a2, a9, -8
    l32e a7, a1, -12
    l32e a3, a9, -4
    l32e a4, a7, -32
    l32e a5, a7, -28
    l32e a6, a7, -24
    l32e a7, a7, -20
    rfwu

    .text
    .global semi_write           # of a2: a3 bytes
    .p2align 2
semi_write:
    entry a1, 32
    mov a4, a2
    mov a5, a3
    movi a2, 4
    movi a3, 1
    .byte 0x00, 0x51, 0x00
    retw

    .global mark_start, mark_stop
    .p2align 2
mark_start:
    entry a1, 32
    retw
    .p2align 2
mark_stop:
    entry a1, 32
    retw

    .section .note.GNU-stack, "", @progbits
