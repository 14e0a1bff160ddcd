/* platform/context_aarch64.S - see context.h.
 *
 * What a stopped stack looks like, from where its stack pointer points:
 *
 *      0  d8 .. d15          64  x19 .. x28
 *    144  x29   152  x30, where it goes on     160  fpcr   168  unused
 *
 * context.c builds the same picture for a new stack. The tables for unwinders describe this
 * layout, so they are right on both sides of the instruction that changes the stack pointer.
 * Return addresses are not signed here, nor need they be: each is used on the stack it was made on. */

        .text
        .globl  esi_context_switch
        .hidden esi_context_switch
        .type   esi_context_switch, %function
        .p2align 4
/* void esi_context_switch(void **from in x0, void *to in x1) */
esi_context_switch:
        .cfi_startproc
        hint    #34                     /* bti c */
        sub     sp, sp, #176
        .cfi_def_cfa_offset 176
        stp     d8, d9, [sp, #0]
        stp     d10, d11, [sp, #16]
        stp     d12, d13, [sp, #32]
        stp     d14, d15, [sp, #48]
        stp     x19, x20, [sp, #64]
        stp     x21, x22, [sp, #80]
        stp     x23, x24, [sp, #96]
        stp     x25, x26, [sp, #112]
        stp     x27, x28, [sp, #128]
        stp     x29, x30, [sp, #144]
        .cfi_offset d8, -176
        .cfi_offset d9, -168
        .cfi_offset d10, -160
        .cfi_offset d11, -152
        .cfi_offset d12, -144
        .cfi_offset d13, -136
        .cfi_offset d14, -128
        .cfi_offset d15, -120
        .cfi_offset x19, -112
        .cfi_offset x20, -104
        .cfi_offset x21, -96
        .cfi_offset x22, -88
        .cfi_offset x23, -80
        .cfi_offset x24, -72
        .cfi_offset x25, -64
        .cfi_offset x26, -56
        .cfi_offset x27, -48
        .cfi_offset x28, -40
        .cfi_offset x29, -32
        .cfi_offset x30, -24
        mrs     x2, fpcr
        str     x2, [sp, #160]
        mov     x3, sp
        str     x3, [x0]
        mov     sp, x1
.Lgo_on:
        ldr     x4, [sp, #160]
        cmp     x2, x4                  /* writing fpcr is slow, and it hardly ever differs */
        b.ne    .Lload_fpcr
.Lfpcr_is_right:
        /* To a new stack by a jump: a ret would use up the processor's note of where the caller's own ret will lead. */
        adr     x5, esi_context_entry
        ldr     x6, [sp, #152]
        cmp     x5, x6
        b.eq    esi_context_entry
        ldp     d8, d9, [sp, #0]
        ldp     d10, d11, [sp, #16]
        ldp     d12, d13, [sp, #32]
        ldp     d14, d15, [sp, #48]
        ldp     x19, x20, [sp, #64]
        ldp     x21, x22, [sp, #80]
        ldp     x23, x24, [sp, #96]
        ldp     x25, x26, [sp, #112]
        ldp     x27, x28, [sp, #128]
        ldp     x29, x30, [sp, #144]
        .cfi_remember_state
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        add     sp, sp, #176
        .cfi_def_cfa_offset 0
        ret
.Lload_fpcr:
        .cfi_restore_state
        msr     fpcr, x4
        b       .Lfpcr_is_right
        .cfi_endproc
        .size   esi_context_switch, .-esi_context_switch

/* Where a new stack goes on: calls x19(x20), which gives back where the stack pointer stands that the thread goes on with. All
 * calls on this stack have returned by then, so the processor's notes of where returns lead are those of before. The outermost
 * frame: no return address (x30 undefined) and no frame pointer (x29 0), which ends every backtrace. The nop is there because
 * unwinders look up the instruction before the address where a frame goes on. */
        .globl  esi_context_entry
        .hidden esi_context_entry
        .type   esi_context_entry, %function
        .p2align 4
        .cfi_startproc
        .cfi_undefined x30
        nop
esi_context_entry:
        ldp     x9, x0, [sp, #64]
        add     sp, sp, #176
.Lcall_entry:
        mov     x29, #0
        mov     x30, #0
        blr     x9
        ldr     x1, [x0]
        mrs     x2, fpcr
        mov     sp, x1
        b       .Lgo_on
        .cfi_endproc
        .size   esi_context_entry, .-esi_context_entry

/* bool esi_context_again(void *high in x0, entry in x1, argument in x2): never comes back */
        .globl  esi_context_again
        .hidden esi_context_again
        .type   esi_context_again, %function
        .p2align 4
        .cfi_startproc
        .cfi_undefined x30
esi_context_again:
        hint    #34                     /* bti c */
        sub     sp, x0, #16
        mov     x0, x2
        mov     x9, x1
        b       .Lcall_entry
        .cfi_endproc
        .size   esi_context_again, .-esi_context_again

        .section .note.GNU-stack, "", %progbits

#if defined(__ARM_FEATURE_BTI_DEFAULT)
/* Says in the object's notes that indirect branches land on bti. */
        .section .note.gnu.property, "a"
        .p2align 3
        .word   4, 16, 5                /* sizes of name and content, NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .word   0xc0000000, 4, 1, 0     /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
#endif
