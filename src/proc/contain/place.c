/* proc/contain/place.c - what the kernel says of a thread: /proc/self/task/TID/syscall is "running", or the number, six arguments, sp and pc. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "proc/contain/module.h"
#include "proc/contain/place.h"
#include "proc/contain/symbol.h"
#include "proc/contain/trail.h"

static const struct {
    long number;
    const char *name;
} calls[] = {
    {SYS_read, "read"},
    {SYS_write, "write"},
    {SYS_readv, "readv"},
    {SYS_writev, "writev"},
    {SYS_pread64, "pread"},
    {SYS_pwrite64, "pwrite"},
    {SYS_openat, "open"},
    {SYS_close, "close"},
    {SYS_fsync, "fsync"},
    {SYS_fdatasync, "fdatasync"},
    {SYS_ftruncate, "ftruncate"},
    {SYS_flock, "flock"},
    {SYS_fcntl, "fcntl"},
    {SYS_ioctl, "ioctl"},
    {SYS_futex, "futex"},
    {SYS_nanosleep, "nanosleep"},
    {SYS_clock_nanosleep, "clock_nanosleep"},
    {SYS_ppoll, "poll"},
    {SYS_pselect6, "select"},
    {SYS_epoll_pwait, "epoll_wait"},
    {SYS_accept, "accept"},
    {SYS_accept4, "accept"},
    {SYS_connect, "connect"},
    {SYS_recvfrom, "recv"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_sendto, "send"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_wait4, "wait"},
    {SYS_waitid, "waitid"},
    {SYS_rt_sigtimedwait, "sigwait"},
    {SYS_rt_sigsuspend, "sigsuspend"},
    {SYS_msync, "msync"},
    {SYS_mmap, "mmap"},
    {SYS_munmap, "munmap"},
    {SYS_madvise, "madvise"},
    {SYS_getdents64, "readdir"},
    {SYS_unlinkat, "unlink"},
    {SYS_sendfile, "sendfile"},
#ifdef SYS_open
    {SYS_open, "open"},
    {SYS_poll, "poll"},
    {SYS_select, "select"},
    {SYS_epoll_wait, "epoll_wait"},
    {SYS_pause, "pause"},
    {SYS_unlink, "unlink"},
#endif
};

const char *esi_system_call_name(long number)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].number == number)
            return calls[i].name;
    }
    return NULL;
}

/* The innermost call in marked code whose return address lies on the stack. A word that only looks like one is behind a real one or stale: it
 * is a hint for people. Read while the thread is blocked; it may wake meanwhile, which makes the hint old. */
static __attribute__((no_sanitize("address", "thread"))) uintptr_t find_caller(struct esi_stack_span stack,
                                                                               uintptr_t sp)
{
    uintptr_t word;
    for (uintptr_t at = sp & ~(uintptr_t)7; at < sp + 4096 && esi_stack_read(stack, at, &word);
         at += sizeof word) {
        if (esi_module_kind_of(word) == ESI_MODULE_MARKED || esi_place_is_below_all(word - 1))
            return word - 1;
    }
    return 0;
}

static bool read_state(pid_t tid, char *bytes, size_t size)
{
    char path_bytes[64];
    struct esi_text path;
    esi_text_init(&path, path_bytes, sizeof path_bytes);
    esi_text_str(&path, "/proc/self/task/");
    esi_text_i64(&path, tid);
    esi_text_str(&path, "/syscall");
    int fd = open(path.bytes, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, bytes, size - 1);
    close(fd);
    bytes[got > 0 ? got : 0] = '\0';
    return got > 0;
}

bool esi_place_of(pid_t tid, struct esi_stack_span stack, void (*function)(void), struct esi_text *out)
{
    char bytes[256], *rest;
    if (!read_state(tid, bytes, sizeof bytes) || (bytes[0] != '-' && (bytes[0] < '0' || bytes[0] > '9')))
        return false;
    long number = strtol(bytes, &rest, 10);
    if (number < 0) /* blocked, but in no system call: a page that is fetched */
        return false;
    for (int i = 0; i < 6; i++)
        (void)strtoull(rest, &rest, 16);
    uintptr_t sp = (uintptr_t)strtoull(rest, &rest, 16);
    const char *name = esi_system_call_name(number);
    esi_text_str(out, "in ");
    if (name) {
        esi_text_str(out, name);
        esi_text_str(out, "(2)");
    } else {
        esi_text_str(out, "system call ");
        esi_text_i64(out, number);
    }
    uintptr_t caller = find_caller(stack, sp);
    if (caller) {
        struct esi_symbol symbol;
        esi_text_str(out, ", called at ");
        caller = esi_place_for_people(caller, function);
        esi_symbol_find(caller, true, &symbol);
        esi_symbol_text_and_line(&symbol, caller, out);
    }
    return true;
}
