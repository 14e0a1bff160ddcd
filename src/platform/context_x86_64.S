/* platform/context_x86_64.S - see context.h.
 *
 * What a stopped stack looks like, from where its stack pointer points:
 *
 *      0  mxcsr (4 bytes), x87 control word (2 bytes), 2 bytes unused
 *      8  r15    16  r14    24  r13    32  r12    40  rbx    48  rbp
 *     56  the address where it goes on
 *
 * context.c builds the same picture for a new stack. The tables for unwinders describe this
 * layout, so they are right on both sides of the instruction that changes the stack pointer. */

#if defined(__CET__) && defined(__has_include)
#if __has_include(<cet.h>)
#include <cet.h> /* says in the object's notes that indirect branches land on endbr64 */
#endif
#endif
#ifndef _CET_ENDBR
#define _CET_ENDBR endbr64
#endif

        .text
        .globl  esi_context_switch
        .hidden esi_context_switch
        .type   esi_context_switch, @function
        .p2align 4
/* void esi_context_switch(void **from in rdi, void *to in rsi) */
esi_context_switch:
        .cfi_startproc
        _CET_ENDBR
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        pushq   %rbx
        .cfi_def_cfa_offset 24
        .cfi_offset rbx, -24
        pushq   %r12
        .cfi_def_cfa_offset 32
        .cfi_offset r12, -32
        pushq   %r13
        .cfi_def_cfa_offset 40
        .cfi_offset r13, -40
        pushq   %r14
        .cfi_def_cfa_offset 48
        .cfi_offset r14, -48
        pushq   %r15
        .cfi_def_cfa_offset 56
        .cfi_offset r15, -56
        subq    $8, %rsp
        .cfi_def_cfa_offset 64
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movzwl  4(%rsp), %ecx
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
.Lgo_on:
        /* Loading either is slow, and they hardly ever differ. */
        cmpl    (%rsp), %eax
        jne     .Lload_mxcsr
.Lmxcsr_is_right:
        cmpw    4(%rsp), %cx
        jne     .Lload_x87
.Lx87_is_right:
        /* To a new stack by a jump: a ret would use up the processor's note of where the caller's own ret will lead. */
        leaq    esi_context_entry(%rip), %rdx
        cmpq    %rdx, 56(%rsp)
        je      esi_context_entry
        .cfi_remember_state
        addq    $8, %rsp
        .cfi_def_cfa_offset 56
        popq    %r15
        .cfi_def_cfa_offset 48
        .cfi_restore r15
        popq    %r14
        .cfi_def_cfa_offset 40
        .cfi_restore r14
        popq    %r13
        .cfi_def_cfa_offset 32
        .cfi_restore r13
        popq    %r12
        .cfi_def_cfa_offset 24
        .cfi_restore r12
        popq    %rbx
        .cfi_def_cfa_offset 16
        .cfi_restore rbx
        popq    %rbp
        .cfi_def_cfa_offset 8
        .cfi_restore rbp
        ret
.Lload_mxcsr:
        .cfi_restore_state
        ldmxcsr (%rsp)
        jmp     .Lmxcsr_is_right
.Lload_x87:
        fldcw   4(%rsp)
        jmp     .Lx87_is_right
        .cfi_endproc
        .size   esi_context_switch, .-esi_context_switch

/* Where a new stack goes on: calls rbx(r12), which gives back where the stack pointer stands that the thread goes on with. All
 * calls on this stack have returned by then, so the processor's notes of where returns lead are those of before. The outermost
 * frame: no return address (rip undefined) and no frame pointer (rbp 0), which ends every backtrace. The nop is there because
 * unwinders look up the byte before the address where a frame goes on. */
        .globl  esi_context_entry
        .hidden esi_context_entry
        .type   esi_context_entry, @function
        .p2align 4
        .cfi_startproc
        .cfi_undefined rip
        nop
esi_context_entry:
        movq    32(%rsp), %rdi
        movq    40(%rsp), %rax
        addq    $64, %rsp
.Lcall_entry:
        xorl    %ebp, %ebp
        call    *%rax
        movq    (%rax), %rsi
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movzwl  4(%rsp), %ecx
        movq    %rsi, %rsp
        jmp     .Lgo_on
        .cfi_endproc
        .size   esi_context_entry, .-esi_context_entry

/* bool esi_context_again(void *high in rdi, entry in rsi, argument in rdx): never comes back */
        .globl  esi_context_again
        .hidden esi_context_again
        .type   esi_context_again, @function
        .p2align 4
        .cfi_startproc
        .cfi_undefined rip
esi_context_again:
        _CET_ENDBR
        leaq    -16(%rdi), %rsp
        movq    %rdx, %rdi
        movq    %rsi, %rax
        jmp     .Lcall_entry
        .cfi_endproc
        .size   esi_context_again, .-esi_context_again

        .section .note.GNU-stack, "", @progbits
